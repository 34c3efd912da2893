-- A payout moves to the vault its chain pays from now, while it has no id: an id is of one vault, for ever. What was asked for
-- is sealed with the vault of then, so that stays, too.
ALTER TABLE payouts ADD COLUMN lapse_reason text,            -- why it is asked about anew, while it is
                    ADD COLUMN first_vault evm_address;      -- the one it was asked for, once it moved to another
CREATE FUNCTION keep_first_vault() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF new.vault IS DISTINCT FROM old.vault AND (old.vault_id IS NOT NULL OR old.state NOT IN ('requires_action', 'pending')) THEN
        RAISE EXCEPTION 'payout % stays with its vault', old.id USING errcode = '42501';
    END IF;
    new.first_vault := CASE WHEN new.vault IS DISTINCT FROM old.vault THEN coalesce(old.first_vault, old.vault)
                            ELSE old.first_vault END;
    RETURN new;
END $$;
CREATE TRIGGER moves_while_it_has_no_id BEFORE UPDATE OF vault, first_vault ON payouts
   FOR EACH ROW EXECUTE FUNCTION keep_first_vault();
REVOKE EXECUTE ON FUNCTION keep_first_vault() FROM PUBLIC;

-- Whose payouts move is asked about anew as one, for the new vault.
GRANT UPDATE (vault) ON payout_batches TO bascule_submitter;
