-- What an anchor of this wallet may cost; the newest version rules, a wallet without one anchors nothing.
CREATE TABLE signer.anchor_limits (
    chain_id         bigint NOT NULL,
    wallet           bytea NOT NULL,
    version          integer NOT NULL CHECK (version >= 1),
    max_fee_per_gas  numeric(78, 0) NOT NULL,
    max_gas          bigint NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain_id, wallet, version),
    FOREIGN KEY (chain_id, wallet) REFERENCES signer.wallets (chain_id, address)
);
-- What was signed of it: a seal has one head, whoever asks again.
CREATE TABLE signer.anchors (
    chain_id   bigint NOT NULL,
    wallet     bytea NOT NULL,
    nonce      bigint NOT NULL,
    seal       bigint NOT NULL CHECK (seal >= 1),
    head       bytea NOT NULL CHECK (octet_length(head) = 32),
    signed_at  timestamptz NOT NULL,
    PRIMARY KEY (chain_id, wallet, nonce)
);
CREATE INDEX signer_anchors_by_seal ON signer.anchors (seal);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.anchor_limits FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.anchor_limits FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.anchors FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.anchors FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
GRANT SELECT ON signer.anchor_limits, signer.anchors TO bascule_signer;
GRANT INSERT ON signer.anchors TO bascule_signer;
