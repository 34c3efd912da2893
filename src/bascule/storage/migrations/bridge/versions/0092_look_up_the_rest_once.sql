-- The blocks that transfers name, the transfers that deposits and bookings name, and the ledger's transactions are there
-- for ever: one look at all new rows of a statement is worth as much as a key's look at each. Counted where they are many,
-- or each would be held against all there are.
CREATE FUNCTION refuse_stray_transfers() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stray  record;
BEGIN
    SELECT f.chain_id, encode(f.block_hash, 'hex') AS block INTO stray
      FROM (SELECT DISTINCT n.chain_id, n.block_hash FROM fresh AS n) AS f
     WHERE (SELECT count(*) FROM public.blocks AS b WHERE b.chain_id = f.chain_id AND b.hash = f.block_hash) = 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no block % of chain %', stray.block, stray.chain_id
            USING errcode = '23503', schema = 'public', table = 'transfers', constraint = 'transfers_chain_id_block_hash_fkey';
    END IF;
    RETURN NULL;
END $$;
CREATE OR REPLACE FUNCTION refuse_stray_deposits() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stray  text;
BEGIN
    SELECT f.token_id INTO stray FROM (SELECT DISTINCT n.token_id FROM fresh AS n) AS f
     WHERE f.token_id IS NOT NULL AND NOT EXISTS (SELECT FROM public.tokens AS k WHERE k.id = f.token_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no token %', stray
            USING errcode = '23503', schema = 'public', table = 'deposits', constraint = 'deposits_token_id_fkey';
    END IF;
    SELECT f.id INTO stray FROM fresh AS f
     WHERE (SELECT count(*) FROM public.transfers AS t
             WHERE t.chain_id = f.chain_id AND t.block_hash = f.block_hash AND t.log_index = f.log_index) = 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no transfer where deposit % is', stray
            USING errcode = '23503', schema = 'public', table = 'deposits', constraint = 'deposits_chain_id_block_hash_log_index_fkey';
    END IF;
    RETURN NULL;
END $$;
CREATE FUNCTION refuse_stray_place() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.transfers AS t
                    WHERE t.chain_id = new.chain_id AND t.block_hash = new.block_hash AND t.log_index = new.log_index) THEN
        RAISE EXCEPTION 'there is no transfer where deposit % is', new.id
            USING errcode = '23503', schema = 'public', table = 'deposits', constraint = 'deposits_chain_id_block_hash_log_index_fkey';
    END IF;
    RETURN new;
END $$;
CREATE FUNCTION ledger.refuse_stray_bookings() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    stray  record;
BEGIN
    SELECT encode(f.block_hash, 'hex') AS block, f.log_index, f.tx_id INTO stray FROM fresh AS f
     WHERE (SELECT count(*) FROM public.transfers AS t
             WHERE t.chain_id = f.chain_id AND t.block_hash = f.block_hash AND t.log_index = f.log_index) = 0
        OR f.tx_id IS NOT NULL AND (SELECT count(*) FROM ledger.tx AS x WHERE x.id = f.tx_id) = 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no transfer %/%, or no ledger transaction %', stray.block, stray.log_index, stray.tx_id
            USING errcode = '23503', schema = 'ledger', table = 'booked', constraint = 'booked_chain_id_block_hash_log_index_fkey';
    END IF;
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION refuse_stray_transfers(), refuse_stray_place(), ledger.refuse_stray_bookings() FROM PUBLIC;

CREATE TRIGGER in_a_block AFTER INSERT ON transfers REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_stray_transfers();
CREATE TRIGGER where_a_transfer_is BEFORE UPDATE OF chain_id, block_hash, log_index ON deposits
    FOR EACH ROW EXECUTE FUNCTION refuse_stray_place();
CREATE TRIGGER of_a_transfer AFTER INSERT ON ledger.booked REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_stray_bookings();
CREATE TRIGGER named_for_ever BEFORE DELETE OR UPDATE OF chain_id, hash ON blocks FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER named_for_ever BEFORE DELETE OR UPDATE OF chain_id, block_hash, log_index ON transfers
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON blocks FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON transfers FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE transfers DROP CONSTRAINT transfers_chain_id_block_hash_fkey;
ALTER TABLE deposits DROP CONSTRAINT deposits_chain_id_block_hash_log_index_fkey;
ALTER TABLE ledger.booked DROP CONSTRAINT booked_tx_id_fkey, DROP CONSTRAINT booked_chain_id_block_hash_log_index_fkey;

-- ───────────────────────── the books ─────────────────────────
-- A transaction and its entries are written by one statement, as the postings of many do; so one look when it ends, not one
-- for each transaction at the commit, says that none is empty.
CREATE OR REPLACE FUNCTION ledger.post(
    its_source text, its_source_id text, its_kind text, its_chain_id bigint, its_block_number bigint,
    its_effective_at timestamptz, accounts bigint[], layers smallint[], amounts numeric[], its_reverses bigint DEFAULT NULL
) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_id      bigint;
    old         record;
    content     bytea := sha256(convert_to(jsonb_build_array(
                    its_source, its_source_id, its_kind, its_chain_id, its_block_number,
                    to_jsonb(accounts), to_jsonb(layers), to_jsonb(amounts), its_reverses)::text, 'UTF8'));
BEGIN
    WITH booking AS (
        INSERT INTO ledger.tx (source, source_id, digest, kind, chain_id, block_number, effective_at, reverses)
        VALUES (its_source, its_source_id, content, its_kind, its_chain_id, its_block_number, its_effective_at, its_reverses)
        ON CONFLICT (source, source_id) DO NOTHING
        RETURNING id
    ), entries AS (
        INSERT INTO ledger.entry (tx_id, seq, account_id, token_id, layer, amount)
        SELECT b.id, u.seq, u.account_id, a.token_id, u.layer, u.amount
          FROM booking AS b
         CROSS JOIN unnest(accounts, layers, amounts) WITH ORDINALITY AS u (account_id, layer, amount, seq)
          JOIN ledger.account AS a ON a.id = u.account_id
         ORDER BY u.seq
    )
    SELECT b.id INTO new_id FROM booking AS b;
    IF new_id IS NULL THEN
        SELECT t.id, t.digest INTO STRICT old FROM ledger.tx AS t WHERE t.source = its_source AND t.source_id = its_source_id;
        IF old.digest <> content THEN
            RAISE EXCEPTION '% % is already booked with other content', its_source, its_source_id
                USING errcode = '23505', schema = 'ledger', table = 'tx', constraint = 'one_booking_per_source';
        END IF;
        RETURN old.id;
    END IF;
    RETURN new_id;
END $$;

DROP TRIGGER tx_has_entries ON ledger.tx;
CREATE OR REPLACE FUNCTION ledger.refuse_empty_tx() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    empty_id  bigint;
BEGIN
    SELECT f.id INTO empty_id FROM fresh AS f WHERE (SELECT count(*) FROM ledger.entry AS e WHERE e.tx_id = f.id) = 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % has no entries', empty_id USING errcode = '23514', constraint = 'tx_has_entries';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER tx_has_entries AFTER INSERT ON ledger.tx REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_empty_tx();

-- ───────────────────────── intents ─────────────────────────
-- Few intents are of a quote; the others need no place among them, which each change of theirs would write anew.
ALTER TABLE payment_intents DROP CONSTRAINT one_intent_a_quote;
CREATE UNIQUE INDEX one_intent_a_quote ON payment_intents (quote_id) WHERE quote_id IS NOT NULL;
