-- Who was first, and the vault in whose domain rosters are signed; written once, by the owner.
CREATE TABLE signer.genesis (
    only_one    boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    account_id  text NOT NULL,
    chain_id    bigint NOT NULL,
    vault       bytea NOT NULL CHECK (octet_length(vault) = 20),
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.genesis FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.genesis FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();

-- A login that does not own the table writes no version without signatures, and nobody leaves one out.
CREATE FUNCTION signer.require_next_version() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    ruling integer;
BEGIN
    IF new.signatures = '[]' AND NOT pg_has_role(current_user, (SELECT relowner FROM pg_class WHERE oid = tg_relid), 'MEMBER') THEN
        RAISE EXCEPTION 'a version of %.% needs signatures', tg_table_schema, tg_table_name USING errcode = '42501';
    END IF;
    IF tg_table_name = 'rosters' THEN
        SELECT coalesce(max(version), 0) INTO ruling FROM signer.rosters WHERE account_id = new.account_id;
    ELSE
        SELECT coalesce(max(version), 0) INTO ruling FROM signer.limits
         WHERE chain_id = new.chain_id AND vault = new.vault AND token = new.token;
    END IF;
    IF new.version <> ruling + 1 THEN
        RAISE EXCEPTION 'version % rules in %.%, % is not the next', ruling, tg_table_schema, tg_table_name, new.version
            USING errcode = '23514';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER next_version BEFORE INSERT ON signer.rosters FOR EACH ROW EXECUTE FUNCTION signer.require_next_version();
CREATE TRIGGER next_version BEFORE INSERT ON signer.limits FOR EACH ROW EXECUTE FUNCTION signer.require_next_version();

-- A version's members come with it, in its transaction: nobody joins a roster that was signed without them.
CREATE FUNCTION signer.require_new_roster() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM signer.rosters AS r
                    WHERE r.account_id = new.account_id AND r.version = new.version AND r.created_at = now()) THEN
        RAISE EXCEPTION 'roster % of % is complete', new.version, new.account_id USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER with_its_version BEFORE INSERT ON signer.roster_members FOR EACH ROW EXECUTE FUNCTION signer.require_new_roster();

REVOKE EXECUTE ON FUNCTION signer.require_next_version(), signer.require_new_roster() FROM PUBLIC;
GRANT SELECT ON signer.genesis TO bascule_signer;
GRANT INSERT (account_id, version, threshold, signatures) ON signer.rosters TO bascule_signer;
GRANT INSERT ON signer.roster_members TO bascule_signer;
GRANT INSERT (chain_id, vault, token, version, max_per_item, max_per_day, max_fee_per_gas, max_gas, signatures)
    ON signer.limits TO bascule_signer;
