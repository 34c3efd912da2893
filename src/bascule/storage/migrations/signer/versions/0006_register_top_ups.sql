-- From a wallet of role gas to a vault or a gas wallet of ours; the newest version rules, what is not here is not signed.
CREATE TABLE signer.top_up_limits (
    chain_id         bigint NOT NULL,
    wallet           bytea NOT NULL,
    asset            bytea NOT NULL CHECK (octet_length(asset) = 20),        -- twenty zero bytes: the chain's coin
    destination      bytea NOT NULL CHECK (octet_length(destination) = 20),
    version          integer NOT NULL CHECK (version >= 1),
    max_per_item     numeric(78, 0) NOT NULL,
    max_per_day      numeric(78, 0) NOT NULL,
    max_fee_per_gas  numeric(78, 0) NOT NULL,
    max_gas          bigint NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain_id, wallet, asset, destination, version),
    FOREIGN KEY (chain_id, wallet) REFERENCES signer.wallets (chain_id, address)
);
-- What was signed of it, so that a day can be counted.
CREATE TABLE signer.top_ups (
    chain_id     bigint NOT NULL,
    wallet       bytea NOT NULL,
    nonce        bigint NOT NULL,
    asset        bytea NOT NULL,
    destination  bytea NOT NULL,
    amount       numeric(78, 0) NOT NULL CHECK (amount > 0),
    signed_at    timestamptz NOT NULL,
    PRIMARY KEY (chain_id, wallet, nonce)
);
CREATE INDEX signer_top_ups_by_day ON signer.top_ups (chain_id, wallet, asset, destination, signed_at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.top_up_limits FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.top_up_limits FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.top_ups FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.top_ups FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
GRANT SELECT ON signer.top_up_limits, signer.top_ups TO bascule_signer;
GRANT INSERT ON signer.top_ups TO bascule_signer;
