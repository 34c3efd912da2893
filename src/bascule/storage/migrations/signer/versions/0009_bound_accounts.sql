-- Bounds of one account's payouts of a token from a vault, signed by the operator's approvers; the newest version rules.
-- Without one an account has the limits of the vault alone.
CREATE TABLE signer.account_limits (
    account_id    text NOT NULL,
    chain_id      bigint NOT NULL,
    vault         bytea NOT NULL CHECK (octet_length(vault) = 20),
    token         bytea NOT NULL CHECK (octet_length(token) = 20),
    version       integer NOT NULL CHECK (version >= 1),
    max_per_day   numeric(78, 0) NOT NULL,
    destinations  bytea[] NOT NULL,                     -- the only ones it pays; empty: any
    signatures    jsonb NOT NULL CHECK (signatures <> '[]'),
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, chain_id, vault, token, version)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.account_limits FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.account_limits FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();

-- Nobody leaves a version out, so an old one cannot be hidden behind one that nobody may ever reach.
CREATE FUNCTION signer.require_next_account_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.version <> 1 + (SELECT coalesce(max(version), 0) FROM signer.account_limits
                            WHERE account_id = new.account_id AND chain_id = new.chain_id AND vault = new.vault
                              AND token = new.token) THEN
        RAISE EXCEPTION 'version % is not the next of %', new.version, new.account_id USING errcode = '23514';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER next_version BEFORE INSERT ON signer.account_limits
   FOR EACH ROW EXECUTE FUNCTION signer.require_next_account_version();
REVOKE EXECUTE ON FUNCTION signer.require_next_account_version() FROM PUBLIC;

CREATE INDEX signer_items_by_account ON signer.items (account_id, chain_id, vault, token, signed_at);
GRANT SELECT ON signer.account_limits TO bascule_signer;
GRANT INSERT (account_id, chain_id, vault, token, version, max_per_day, destinations, signatures)
    ON signer.account_limits TO bascule_signer;
