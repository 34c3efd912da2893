-- Read from the vault's calldata and events after a restore. The tag is all that calldata says of an identity.
CREATE TABLE recovered_payouts (
    chain_id      bigint NOT NULL REFERENCES networks,
    tx_hash       hash32 NOT NULL,
    vault_id      numeric(78, 0) NOT NULL,
    vault         evm_address NOT NULL,
    tag           bytea NOT NULL CHECK (octet_length(tag) = 16),
    outcome       text NOT NULL CHECK (outcome IN ('paid', 'refused', 'skipped')),
    token         evm_address NOT NULL,
    destination   evm_address NOT NULL,
    amount        base_units NOT NULL,
    block_number  bigint NOT NULL,
    PRIMARY KEY (chain_id, tx_hash, vault_id)
);
CREATE INDEX recovered_by_tag ON recovered_payouts (tag);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON recovered_payouts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON recovered_payouts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT ON recovered_payouts TO bascule_api;

-- Whoever inserts, and however: what the vault had under this identity before is not asked for again.
CREATE FUNCTION refuse_recovered_payout() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM public.recovered_payouts AS r
                WHERE r.tag = substr(sha256(convert_to(new.account_id || ':' ||
                      CASE WHEN new.livemode THEN 'live' ELSE 'test' END || ':' || new.identity, 'UTF8')), 1, 16)) THEN
        RAISE EXCEPTION 'the identity of payout % was at the vault before the restore', new.id USING errcode = '23505';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER not_at_the_vault_before BEFORE INSERT ON payouts
   FOR EACH ROW EXECUTE FUNCTION refuse_recovered_payout();
REVOKE EXECUTE ON FUNCTION refuse_recovered_payout() FROM PUBLIC;
