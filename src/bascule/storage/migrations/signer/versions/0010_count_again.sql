-- A payout counts in the 24 hours of its last signature, not of its first: otherwise whoever holds the bridge has payouts
-- signed day after day, sends none, and has all of them signed again within one day. So of an item that is for ever two
-- columns move: when it was counted, only forwards, and the mandate that counts it.
DROP TRIGGER append_only ON signer.items;
CREATE FUNCTION signer.refuse_other_item() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.signed_at < old.signed_at
       OR (new.payout_id, new.account_id, new.chain_id, new.vault, new.vault_id, new.token, new.amount, new.digest, new.batch_id)
          IS DISTINCT FROM
          (old.payout_id, old.account_id, old.chain_id, old.vault, old.vault_id, old.token, old.amount, old.digest, old.batch_id) THEN
        RAISE EXCEPTION 'payout % is one item for ever, and counts no earlier than it did', old.payout_id
            USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
REVOKE EXECUTE ON FUNCTION signer.refuse_other_item() FROM PUBLIC;
CREATE TRIGGER stays_what_it_is BEFORE UPDATE ON signer.items FOR EACH ROW EXECUTE FUNCTION signer.refuse_other_item();
CREATE TRIGGER never_removed BEFORE DELETE ON signer.items FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();

-- Taken from the minute that counted it, added to the one that does.
CREATE FUNCTION signer.recount_items() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = signer, pg_temp
AS $$
BEGIN
    INSERT INTO spendings AS s (chain_id, vault, token, minute, amount)
    SELECT n.chain_id, n.vault, n.token, date_trunc('minute', n.signed_at, 'UTC'), sum(n.amount)
      FROM (SELECT chain_id, vault, token, signed_at, amount FROM new_items
             UNION ALL SELECT chain_id, vault, token, signed_at, -amount FROM old_items) AS n
     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
    ON CONFLICT (chain_id, vault, token, minute) DO UPDATE SET amount = s.amount + excluded.amount;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION signer.recount_items() FROM PUBLIC;
CREATE TRIGGER counted_again AFTER UPDATE ON signer.items REFERENCING NEW TABLE AS new_items OLD TABLE AS old_items
   FOR EACH STATEMENT EXECUTE FUNCTION signer.recount_items();

GRANT UPDATE (signed_at, mandate_id) ON signer.items TO bascule_signer;
