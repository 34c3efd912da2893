-- What a batch's items name, payouts and the slot, exists and stays; it is looked up once for all items of a batch, where a
-- key's own checks are two queries for each item.
CREATE FUNCTION refuse_stray_items() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stray  record;
BEGIN
    SELECT f.payout_id INTO stray FROM fresh AS f  -- counted, or many would be held against all there are
     WHERE (SELECT count(*) FROM public.payouts AS p WHERE p.id = f.payout_id) = 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no payout %', stray.payout_id
            USING errcode = '23503', schema = 'public', table = 'slot_items', constraint = 'slot_items_payout_id_fkey';
    END IF;
    SELECT f.nonce INTO stray FROM (SELECT DISTINCT n.chain_id, n.wallet, n.nonce FROM fresh AS n) AS f
     WHERE NOT EXISTS (SELECT FROM public.slots AS s
                        WHERE s.chain_id = f.chain_id AND s.wallet = f.wallet AND s.nonce = f.nonce) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no slot of nonce %', stray.nonce USING errcode = '23503', schema = 'public',
            table = 'slot_items', constraint = 'slot_items_chain_id_wallet_nonce_fkey';
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION refuse_stray_items() FROM PUBLIC;
CREATE TRIGGER of_a_slot AFTER INSERT ON slot_items REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stray_items();
CREATE TRIGGER of_it_for_ever BEFORE UPDATE OF chain_id, wallet, nonce, position, payout_id ON slot_items
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER named_for_ever BEFORE DELETE OR UPDATE OF id ON payouts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER named_for_ever BEFORE DELETE OR UPDATE OF chain_id, wallet, nonce ON slots
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON payouts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON slots FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE slot_items DROP CONSTRAINT slot_items_payout_id_fkey, DROP CONSTRAINT slot_items_chain_id_wallet_nonce_fkey;
