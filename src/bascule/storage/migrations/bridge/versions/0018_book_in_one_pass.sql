-- Of these deposits those that post_deposit would book now, by the same rules, and what it would write. The joins are
-- taken as they are written: to look for another order takes longer than to book a thousand deposits.
CREATE TYPE ledger.bookable AS (
    deposit_id text, token_id text, chain_id bigint, block_hash bytea, block_number bigint, log_index integer,
    block_time timestamptz, amount numeric, credited numeric, custody text, available text, suspense text
);
DROP FUNCTION ledger.deposits_to_book(text[]);
CREATE FUNCTION ledger.deposits_to_book(deposit_ids text[]) RETURNS SETOF ledger.bookable
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET join_collapse_limit = 1 AS $$
      WITH asked AS MATERIALIZED (                     -- the few first, whatever the statistics say of the rest
        SELECT * FROM public.deposits AS e WHERE e.id = ANY (deposit_ids) AND e.state = 'finalized' AND e.amount > 0
    )
    SELECT d.id, d.token_id, d.chain_id, d.block_hash, d.block_number, d.log_index, b.block_time, d.amount, c.credited,
           coalesce(CASE o.kind WHEN 'wallet' THEN 'custody:wallets' ELSE 'custody:' || o.kind END,
                    CASE WHEN f.address IS NOT NULL THEN 'custody:forwarders' END),
           'available:' || w.owner, 'suspense:' || w.owner
      FROM asked AS d
      JOIN public.tokens AS k ON k.id = d.token_id AND k.accepted AND k.chain_id = d.chain_id AND k.contract = d.token
      JOIN public.transfers AS t ON t.chain_id = d.chain_id AND t.block_hash = d.block_hash AND t.log_index = d.log_index
      JOIN public.blocks AS b ON b.chain_id = t.chain_id AND b.hash = t.block_hash
      JOIN public.cursors AS u ON u.chain_id = d.chain_id
      LEFT JOIN public.own_addresses AS o ON o.chain_id = d.chain_id AND o.address = d.dst
      LEFT JOIN public.deposit_addresses AS f ON f.chain_id = d.chain_id AND f.address = d.dst
      LEFT JOIN public.applications AS p ON p.deposit_id = d.id
     CROSS JOIN LATERAL (SELECT CASE d.kind WHEN 'payment' THEN d.account_id
            ELSE (SELECT a.id FROM public.accounts AS a WHERE a.kind = 'operator') END AS owner) AS w
     CROSS JOIN LATERAL (SELECT CASE WHEN d.kind = 'capital' THEN d.amount::numeric
            WHEN d.kind = 'payment' AND p.state = 'applied' THEN p.amount_applied::numeric ELSE 0 END AS credited) AS c
     WHERE t.canonical AND b.canonical AND u.finalized_number >= t.block_number AND u.halted_reason IS NULL
       AND (t.token, t.src, t.dst, t.amount::numeric, t.block_number) = (d.token, d.src, d.dst, d.amount::numeric, d.block_number)
       AND (o.address IS NOT NULL OR f.address IS NOT NULL)
       AND (d.kind <> 'payment' OR p.state IN ('applied', 'unapplied'))
       AND c.credited <= d.amount AND w.owner IS NOT NULL
       AND NOT EXISTS (SELECT FROM ledger.tx AS x WHERE x.source = 'deposit' AND x.source_id = d.id)
       AND NOT EXISTS (SELECT FROM ledger.booked AS y
                        WHERE y.chain_id = d.chain_id AND y.block_hash = d.block_hash AND y.log_index = d.log_index)
$$;
REVOKE EXECUTE ON FUNCTION ledger.deposits_to_book(text[]) FROM PUBLIC;

-- Finalised deposits, each as post_deposit books it, in a few statements for all of them. What cannot be booked this
-- way (booked already, or refused) is left to post_deposit itself, which answers or refuses. How many they were.
CREATE OR REPLACE FUNCTION ledger.post_deposits(deposit_ids text[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    work         bookable[] := ARRAY(SELECT w FROM deposits_to_book(deposit_ids) AS w);
    booked_here  text[];
BEGIN
    PERFORM account_for(c.code, c.token_id)
       FROM (SELECT DISTINCT e.code, w.token_id
               FROM unnest(work) AS w
              CROSS JOIN LATERAL (VALUES (w.custody, w.amount), (w.available, w.credited), (w.suspense, w.amount - w.credited))
                      AS e (code, amount)
              WHERE e.amount > 0 ORDER BY e.code, w.token_id) AS c;
    WITH line AS MATERIALIZED (                        -- the accounts of each: those that get nothing are null
        SELECT w.*, c.id AS custody_id, a.id AS available_id, s.id AS suspense_id
          FROM unnest(work) AS w
          LEFT JOIN account AS c ON c.code = w.custody AND c.token_id = w.token_id
          LEFT JOIN account AS a ON w.credited > 0 AND a.code = w.available AND a.token_id = w.token_id
          LEFT JOIN account AS s ON w.credited < w.amount AND s.code = w.suspense AND s.token_id = w.token_id
    ), booking AS (
        INSERT INTO tx (source, source_id, digest, kind, chain_id, block_number, effective_at)
        SELECT 'deposit', l.deposit_id,
               sha256(convert_to(format('["deposit", %s, "deposit", %s, %s, [%s], [%s], [%s], null]',  -- as in post
                   to_json(l.deposit_id), l.chain_id, l.block_number,
                   concat_ws(', ', l.custody_id, l.available_id, l.suspense_id),
                   concat_ws(', ', 0, l.available_id * 0, l.suspense_id * 0),
                   concat_ws(', ', l.amount, -nullif(l.credited, 0), nullif(l.credited - l.amount, 0))), 'UTF8')),
               'deposit', l.chain_id, l.block_number, l.block_time
          FROM line AS l ORDER BY l.chain_id, l.block_number, l.log_index
        ON CONFLICT (source, source_id) DO NOTHING
        RETURNING id, source_id
    ), entries AS (
        INSERT INTO entry (tx_id, seq, account_id, token_id, layer, amount)
        SELECT k.id, e.seq, e.account_id, l.token_id, 0, e.amount
          FROM booking AS k JOIN line AS l ON l.deposit_id = k.source_id
         CROSS JOIN LATERAL (VALUES (1, l.custody_id, l.amount), (2, l.available_id, -l.credited),
                                    (CASE WHEN l.credited > 0 THEN 3 ELSE 2 END, l.suspense_id, l.credited - l.amount))
                 AS e (seq, account_id, amount)
         WHERE e.amount <> 0
    ), marks AS (
        INSERT INTO booked (chain_id, block_hash, log_index, tx_id)
        SELECT l.chain_id, l.block_hash, l.log_index, k.id FROM booking AS k JOIN line AS l ON l.deposit_id = k.source_id
    )
    SELECT array_agg(k.source_id) INTO booked_here FROM booking AS k;
    PERFORM post_deposit(u.id) FROM (SELECT unnest(deposit_ids) EXCEPT SELECT unnest(booked_here)) AS u (id);
    RETURN cardinality(deposit_ids);
END $$;

-- ───────────────────────── references of many rows, looked up by one statement ─────────────────────────
-- Accounts of the books and their transactions are never changed and never deleted, so that what an entry names when
-- it is written is there for ever: one look at all new entries is worth as much as a foreign key's look at each.
ALTER TABLE ledger.entry DROP CONSTRAINT entry_tx_id_fkey, DROP CONSTRAINT entry_account_id_token_id_fkey;
CREATE OR REPLACE FUNCTION ledger.accept_entries() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bad     record;
BEGIN
    SELECT f.tx_id, t.id AS known INTO bad
      FROM (SELECT DISTINCT n.tx_id FROM fresh AS n) AS f LEFT JOIN ledger.tx AS t ON t.id = f.tx_id
     WHERE t.xid IS DISTINCT FROM pg_current_xact_id() LIMIT 1;
    IF FOUND AND bad.known IS NULL THEN
        RAISE EXCEPTION 'there is no ledger transaction %', bad.tx_id
            USING errcode = '23503', schema = 'ledger', table = 'entry', constraint = 'entry_tx_id_fkey';
    ELSIF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % is sealed: no entry joins it after its commit', bad.tx_id USING errcode = '42501';
    END IF;

    SELECT f.account_id, f.token_id INTO bad FROM (SELECT DISTINCT n.account_id, n.token_id FROM fresh AS n) AS f
     WHERE NOT EXISTS (SELECT FROM ledger.account AS a WHERE a.id = f.account_id AND a.token_id = f.token_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no ledger account % of %', bad.account_id, bad.token_id
            USING errcode = '23503', schema = 'ledger', table = 'entry', constraint = 'entry_account_id_token_id_fkey';
    END IF;

    SELECT f.tx_id, f.token_id INTO bad FROM fresh AS f GROUP BY f.tx_id, f.token_id
    HAVING sum(f.amount) FILTER (WHERE f.layer = 0) <> 0 OR sum(f.amount) FILTER (WHERE f.layer <> 0) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % does not balance in %', bad.tx_id, bad.token_id
            USING errcode = '23514', constraint = 'entries_balance';
    END IF;

    -- one order for everybody, so that two postings never wait for each other
    PERFORM 1 FROM ledger.balance AS b WHERE b.account_id IN (SELECT f.account_id FROM fresh AS f)
      ORDER BY b.account_id FOR NO KEY UPDATE;

    SELECT a.code, a.token_id INTO bad
      FROM ledger.balance AS b
      JOIN ledger.account AS a ON a.id = b.account_id
      JOIN (SELECT f.account_id,
                   coalesce(sum(f.amount) FILTER (WHERE f.layer = 0), 0) AS posted,
                   coalesce(sum(f.amount) FILTER (WHERE f.layer = 1), 0) AS held_debit,
                   coalesce(sum(f.amount) FILTER (WHERE f.layer = 2), 0) AS held_credit
              FROM fresh AS f GROUP BY f.account_id) AS d ON d.account_id = b.account_id
     WHERE b.no_overdraft
       AND CASE b.kind WHEN 'liability' THEN b.posted + d.posted + b.held_debit + d.held_debit > 0
                       WHEN 'asset' THEN b.posted + d.posted < 0 OR d.held_credit < 0 AND b.posted + d.posted + b.held_credit + d.held_credit < 0
                       ELSE false END
     ORDER BY a.kind = 'asset', b.account_id LIMIT 1;    -- whose money is short matters more than where it is
    IF FOUND THEN
        RAISE EXCEPTION '% has not enough %', bad.code, bad.token_id
            USING errcode = '23514', schema = 'ledger', table = 'balance', constraint = 'no_overdraft', detail = bad.code;
    END IF;

    UPDATE ledger.balance AS b
       SET posted = b.posted + d.posted, held_debit = b.held_debit + d.held_debit, held_credit = b.held_credit + d.held_credit
      FROM (SELECT f.account_id,
                   coalesce(sum(f.amount) FILTER (WHERE f.layer = 0), 0) AS posted,
                   coalesce(sum(f.amount) FILTER (WHERE f.layer = 1), 0) AS held_debit,
                   coalesce(sum(f.amount) FILTER (WHERE f.layer = 2), 0) AS held_credit
              FROM fresh AS f GROUP BY f.account_id) AS d
     WHERE b.account_id = d.account_id;
    RETURN NULL;
END $$;

-- An account's id is for ever, so the same holds of what is told.
CREATE FUNCTION refuse_change_of_account() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF tg_op = 'UPDATE' AND new.id = old.id THEN
        RETURN new;
    END IF;
    RAISE EXCEPTION 'account % is for ever', old.id USING errcode = '42501';
END $$;
CREATE TRIGGER accounts_stay BEFORE DELETE OR UPDATE OF id ON accounts FOR EACH ROW EXECUTE FUNCTION refuse_change_of_account();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE FUNCTION refuse_unknown_account() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    unknown  text;
BEGIN
    SELECT f.account_id INTO unknown FROM (SELECT DISTINCT n.account_id FROM fresh AS n) AS f
     WHERE NOT EXISTS (SELECT FROM public.accounts AS a WHERE a.id = f.account_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no account %', unknown
            USING errcode = '23503', schema = 'public', table = tg_table_name, constraint = tg_table_name || '_account_id_fkey';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER told_to_an_account AFTER INSERT ON outbox REFERENCING NEW TABLE AS fresh
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_unknown_account();
CREATE FUNCTION refuse_change_of_told() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'what is told, and to whom, is for ever' USING errcode = '42501';
END $$;
CREATE TRIGGER told_to_it_for_ever BEFORE UPDATE OF account_id ON outbox FOR EACH ROW EXECUTE FUNCTION refuse_change_of_told();
ALTER TABLE outbox DROP CONSTRAINT outbox_account_id_fkey;
REVOKE EXECUTE ON FUNCTION refuse_change_of_account(), refuse_unknown_account(), refuse_change_of_told() FROM PUBLIC;

-- A deposit's transfer is in a block of its network: that is looked up already.
ALTER TABLE deposits DROP CONSTRAINT deposits_chain_id_fkey;
