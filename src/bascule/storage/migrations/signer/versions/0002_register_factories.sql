-- Which deposit factory the sweeper's key may call, for which token, within what limits; the newest version rules.
-- What is not here is not signed.
CREATE TABLE signer.flush_limits (
    chain_id         bigint NOT NULL,
    factory          bytea NOT NULL CHECK (octet_length(factory) = 20),
    token            bytea NOT NULL CHECK (octet_length(token) = 20),
    version          integer NOT NULL CHECK (version >= 1),
    max_fee_per_gas  numeric(78, 0) NOT NULL,
    max_gas          bigint NOT NULL,
    max_addresses    integer NOT NULL CHECK (max_addresses >= 0),
    created_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain_id, factory, token, version)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.flush_limits FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.flush_limits FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
GRANT SELECT ON signer.flush_limits TO bascule_signer;
