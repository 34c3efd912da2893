-- To which tokens this wallet presents what payers signed, and what that may cost; the newest version rules, a wallet
-- without one presents nothing.
CREATE TABLE signer.authorization_limits (
    chain_id         bigint NOT NULL,
    wallet           bytea NOT NULL,
    version          integer NOT NULL CHECK (version >= 1),
    tokens           bytea[] NOT NULL,
    max_fee_per_gas  numeric(78, 0) NOT NULL,
    max_gas          bigint NOT NULL,
    max_per_day      numeric(78, 0) NOT NULL,          -- wei that 24 hours' transactions may cost at the most
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain_id, wallet, version),
    FOREIGN KEY (chain_id, wallet) REFERENCES signer.wallets (chain_id, address)
);
-- What was signed of it. cost: wei at the most, whatever fees are asked for later.
CREATE TABLE signer.authorizations (
    chain_id   bigint NOT NULL,
    wallet     bytea NOT NULL,
    nonce      bigint NOT NULL,
    token      bytea NOT NULL,
    payer      bytea NOT NULL,
    payers_nonce bytea NOT NULL CHECK (octet_length(payers_nonce) = 32),
    cost       numeric(78, 0) NOT NULL,
    signed_at  timestamptz NOT NULL,
    PRIMARY KEY (chain_id, wallet, nonce)
);
CREATE INDEX signer_authorizations_by_time ON signer.authorizations (chain_id, wallet, signed_at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.authorization_limits FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.authorization_limits FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.authorizations FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.authorizations FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
GRANT SELECT ON signer.authorization_limits, signer.authorizations TO bascule_signer;
GRANT INSERT ON signer.authorizations TO bascule_signer;
