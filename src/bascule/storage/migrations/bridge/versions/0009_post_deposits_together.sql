-- Of these deposits those that post_deposit would book now, by the same rules, and what it would write.
CREATE FUNCTION ledger.deposits_to_book(deposit_ids text[])
RETURNS TABLE (deposit_id text, token_id text, chain_id bigint, block_hash bytea, block_number bigint, log_index integer,
               block_time timestamptz, amount numeric, credited numeric, custody text, available text, suspense text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
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

-- Finalised deposits, each as post_deposit books it, in a few statements for all of them. What cannot be booked this
-- way (booked already, or refused) is left to post_deposit itself, which answers or refuses. How many they were.
CREATE FUNCTION ledger.post_deposits(deposit_ids text[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    booked_here  text[];
BEGIN
    PERFORM account_for(c.code, c.token_id)
       FROM (SELECT DISTINCT e.code, w.token_id
               FROM deposits_to_book(deposit_ids) AS w
              CROSS JOIN LATERAL (VALUES (w.custody, w.amount), (w.available, w.credited), (w.suspense, w.amount - w.credited))
                      AS e (code, amount)
              WHERE e.amount > 0 ORDER BY e.code, w.token_id) AS c;
    WITH line AS MATERIALIZED (                        -- the entries of each: custody, then available, then suspense
        SELECT w.*, e.seq, a.id AS account_id, e.amount AS entered
          FROM deposits_to_book(deposit_ids) AS w
         CROSS JOIN LATERAL (VALUES (1, w.custody, w.amount), (2, w.available, -w.credited), (3, w.suspense, w.credited - w.amount))
                 AS e (seq, code, amount)
          JOIN account AS a ON a.code = e.code AND a.token_id = w.token_id
         WHERE e.amount <> 0
    ), posting AS (
        SELECT l.deposit_id, l.chain_id, l.block_hash, l.block_number, l.log_index, l.block_time,
               sha256(convert_to(jsonb_build_array('deposit', l.deposit_id, 'deposit', l.chain_id, l.block_number,
                   jsonb_agg(l.account_id ORDER BY l.seq), jsonb_agg(0 ORDER BY l.seq), jsonb_agg(l.entered ORDER BY l.seq),
                   NULL::bigint)::text, 'UTF8')) AS content    -- as in post
          FROM line AS l
         GROUP BY l.deposit_id, l.chain_id, l.block_hash, l.block_number, l.log_index, l.block_time
    ), booking AS (
        INSERT INTO tx (source, source_id, digest, kind, chain_id, block_number, effective_at)
        SELECT 'deposit', p.deposit_id, p.content, 'deposit', p.chain_id, p.block_number, p.block_time
          FROM posting AS p ORDER BY p.chain_id, p.block_number, p.log_index
        ON CONFLICT (source, source_id) DO NOTHING
        RETURNING id, source_id
    ), entries AS (
        INSERT INTO entry (tx_id, seq, account_id, token_id, layer, amount)
        SELECT k.id, row_number() OVER (PARTITION BY k.id ORDER BY l.seq), l.account_id, l.token_id, 0, l.entered
          FROM booking AS k JOIN line AS l ON l.deposit_id = k.source_id
    ), marks AS (
        INSERT INTO booked (chain_id, block_hash, log_index, tx_id)
        SELECT p.chain_id, p.block_hash, p.log_index, k.id FROM booking AS k JOIN posting AS p ON p.deposit_id = k.source_id
    )
    SELECT array_agg(k.source_id) INTO booked_here FROM booking AS k;
    PERFORM post_deposit(u.id) FROM (SELECT unnest(deposit_ids) EXCEPT SELECT unnest(booked_here)) AS u (id);
    RETURN cardinality(deposit_ids);
END $$;

REVOKE EXECUTE ON FUNCTION ledger.deposits_to_book(text[]), ledger.post_deposits(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.post_deposits(text[]) TO bascule_watcher;
