-- tables: lines, books
-- Of the empty database alone: what was posted there (expected) beside the copy of our books (found).

-- name: make_lines
-- What each transaction of both posts, account by account and layer by layer.
CREATE TEMPORARY TABLE lines (side text, tx_id bigint, code text, token_id text, layer smallint, amount numeric)

-- name: make_books
-- Each transaction of both. tied: the hold that it ends; digest: of all that no order and no clock decides.
CREATE TEMPORARY TABLE books (
    side text, id bigint, source text, source_id text, kind text, chain_id bigint, block_number bigint, tied text,
    effective_at timestamptz, recorded_at timestamptz, digest bytea
)

-- name: expected_lines
-- Of the books made anew.
INSERT INTO lines (side, tx_id, code, token_id, layer, amount)
SELECT 'expected', e.tx_id, a.code, e.token_id, e.layer, sum(e.amount)
  FROM ledger.entry AS e JOIN ledger.account AS a ON a.id = e.account_id GROUP BY e.tx_id, a.code, e.token_id, e.layer

-- name: found_lines
-- Of the books to be judged.
INSERT INTO lines (side, tx_id, code, token_id, layer, amount)
SELECT 'found', e.tx_id, coalesce(a.code, 'account ' || e.account_id), e.token_id, e.layer, sum(e.amount)
  FROM said_entry AS e
  LEFT JOIN said_account AS a ON a.id = e.account_id
  LEFT JOIN public.tokens AS k ON k.id = e.token_id
 WHERE k.id IS NULL OR k.chain_id = ANY(%(chains)s::bigint[])
 GROUP BY e.tx_id, a.code, e.account_id, e.token_id, e.layer

-- name: expected_books
-- Of the books made anew.
INSERT INTO books (side, id, source, source_id, kind, chain_id, block_number, tied, effective_at, recorded_at, digest)
SELECT 'expected', x.id, x.source, x.source_id, x.kind, x.chain_id, x.block_number, r.source || ' ' || r.source_id,
       x.effective_at, x.recorded_at,
       sha256(convert_to(jsonb_build_array(x.kind, x.chain_id, x.block_number, r.source, r.source_id, l.content)::text, 'UTF8'))
  FROM ledger.tx AS x
  LEFT JOIN ledger.tx AS r ON r.id = x.reverses
  LEFT JOIN (SELECT n.tx_id, jsonb_agg(jsonb_build_array(n.code, n.token_id, n.layer, n.amount)
                                       ORDER BY n.code, n.token_id, n.layer) AS content
               FROM lines AS n WHERE n.side = 'expected' GROUP BY n.tx_id) AS l ON l.tx_id = x.id

-- name: found_books
-- Of the books to be judged; a transaction without any entry is of every chain.
INSERT INTO books (side, id, source, source_id, kind, chain_id, block_number, tied, effective_at, recorded_at, digest)
SELECT 'found', x.id, x.source, x.source_id, x.kind, x.chain_id, x.block_number, r.source || ' ' || r.source_id,
       x.effective_at, x.recorded_at,
       sha256(convert_to(jsonb_build_array(x.kind, x.chain_id, x.block_number, r.source, r.source_id, l.content)::text, 'UTF8'))
  FROM said_tx AS x
  LEFT JOIN said_tx AS r ON r.id = x.reverses
  LEFT JOIN (SELECT n.tx_id, jsonb_agg(jsonb_build_array(n.code, n.token_id, n.layer, n.amount)
                                       ORDER BY n.code, n.token_id, n.layer) AS content
               FROM lines AS n WHERE n.side = 'found' GROUP BY n.tx_id) AS l ON l.tx_id = x.id
 WHERE l.tx_id IS NOT NULL
    OR coalesce(x.chain_id = ANY(%(chains)s::bigint[]), true) AND NOT EXISTS (SELECT FROM said_entry AS e WHERE e.tx_id = x.id)

-- name: count
-- How much was made anew.
SELECT (SELECT count(*) FROM books WHERE side = 'expected') AS transactions, (SELECT count(*) FROM ledger.entry) AS entries

-- name: transactions
-- Transactions that differ, with each entry and each other thing in which they do, the oldest first. A chain's fact is effective
-- at the time of its block, or where the period of that was closed before, in the first moment that was open; anything else
-- when it was recorded.
WITH pair AS MATERIALIZED (
    SELECT coalesce(e.source, f.source) || ' ' || coalesce(e.source_id, f.source_id) AS fact, e AS due, f AS had,
           t.timely, coalesce(f.recorded_at, e.effective_at) AS at, coalesce(f.id, e.id) AS id
      FROM (SELECT * FROM books WHERE side = 'expected') AS e
      FULL JOIN (SELECT * FROM books WHERE side = 'found') AS f ON f.source = e.source AND f.source_id = e.source_id
     CROSS JOIN LATERAL (SELECT CASE
        WHEN e.id IS NULL OR f.id IS NULL THEN true
        WHEN f.chain_id IS NULL THEN f.effective_at = f.recorded_at
        ELSE f.kind IN ('gas', 'opening') AND f.effective_at = f.recorded_at
          OR f.effective_at = e.effective_at
             AND NOT EXISTS (SELECT FROM said_period AS p WHERE p.until > e.effective_at AND p.closed_at <= f.recorded_at)
          OR EXISTS (SELECT FROM said_period AS p
                      WHERE p.until = f.effective_at AND p.until > e.effective_at
                        AND NOT EXISTS (SELECT FROM said_period AS q WHERE q.until > p.until AND q.closed_at <= f.recorded_at))
        END AS timely) AS t
     WHERE e.digest IS DISTINCT FROM f.digest OR NOT t.timely
     ORDER BY at, id LIMIT %(most)s
)
SELECT (p.had).id AS transaction, p.fact, w.what, w.expected, w.found
  FROM pair AS p
 CROSS JOIN LATERAL (
    SELECT 1 AS rank, format('%%s of %%s, %%s', (ARRAY['posted', 'held debit', 'held credit'])[l.layer + 1], l.code, l.token_id) AS what,
           coalesce(sum(l.amount) FILTER (WHERE l.side = 'expected')::text, 'nothing') AS expected,
           coalesce(sum(l.amount) FILTER (WHERE l.side = 'found')::text, 'nothing') AS found
      FROM lines AS l
     WHERE l.side = 'expected' AND l.tx_id = (p.due).id OR l.side = 'found' AND l.tx_id = (p.had).id
     GROUP BY l.code, l.token_id, l.layer
    HAVING sum(l.amount) FILTER (WHERE l.side = 'expected') IS DISTINCT FROM sum(l.amount) FILTER (WHERE l.side = 'found')
     UNION ALL
    SELECT 0, v.what, coalesce(v.expected, 'none'), coalesce(v.found, 'none')
      FROM (VALUES ('kind', (p.due).kind, (p.had).kind), ('chain', (p.due).chain_id::text, (p.had).chain_id::text),
                   ('block', (p.due).block_number::text, (p.had).block_number::text), ('ends', (p.due).tied, (p.had).tied),
                   ('effective', CASE WHEN NOT p.timely THEN CASE WHEN (p.had).chain_id IS NULL THEN (p.had).recorded_at
                                                                  ELSE (p.due).effective_at END::text END,
                                 CASE WHEN NOT p.timely THEN (p.had).effective_at::text END)) AS v (what, expected, found)
     WHERE (p.due).id IS NOT NULL AND (p.had).id IS NOT NULL AND v.expected IS DISTINCT FROM v.found
     UNION ALL
    SELECT 0, 'entries', 'some', 'none' WHERE (p.due).id IS NULL AND NOT EXISTS (
        SELECT FROM lines AS l WHERE l.side = 'found' AND l.tx_id = (p.had).id)) AS w
 ORDER BY p.at, p.id, w.rank, w.what

-- name: booked
-- Transfers that are booked as something else, or not, or that the chain does not have.
SELECT f.id AS transaction, format('transfer %%s/%%s/%%s', b.chain_id, encode(b.block_hash, 'hex'), b.log_index) AS fact,
       'booked as' AS what,
       CASE WHEN b.due IS NULL THEN 'nothing' ELSE coalesce(e.source || ' ' || e.source_id, 'a move within one place') END AS expected,
       CASE WHEN b.had IS NULL THEN 'nothing' ELSE coalesce(f.source || ' ' || f.source_id, 'a move within one place') END AS found
  FROM (SELECT coalesce(d.chain_id, h.chain_id) AS chain_id, coalesce(d.block_hash, h.block_hash) AS block_hash,
               coalesce(d.log_index, h.log_index) AS log_index, d.chain_id AS due, h.chain_id AS had,
               d.tx_id AS due_tx, h.tx_id AS had_tx
          FROM ledger.booked AS d
          FULL JOIN said_booked AS h ON h.chain_id = d.chain_id AND h.block_hash = d.block_hash AND h.log_index = d.log_index) AS b
  LEFT JOIN ledger.tx AS e ON e.id = b.due_tx
  LEFT JOIN said_tx AS f ON f.id = b.had_tx
 WHERE b.chain_id = ANY(%(chains)s::bigint[])
   AND (b.due IS NULL OR b.had IS NULL OR (e.source, e.source_id) IS DISTINCT FROM (f.source, f.source_id))
 ORDER BY b.chain_id, b.block_hash, b.log_index LIMIT %(most)s

-- name: balances
-- Accounts that stand at something else than the books made anew.
SELECT NULL::bigint AS transaction, 'account ' || w.code AS fact, format('%%s, %%s', v.what, w.token_id) AS what,
       v.expected::text AS expected, v.found::text AS found
  FROM (SELECT coalesce(e.code, f.code) AS code, coalesce(e.token_id, f.token_id) AS token_id, e.posted AS due_posted,
               e.held_debit AS due_debit, e.held_credit AS due_credit, f.posted, f.held_debit, f.held_credit
          FROM ledger.balances AS e
          FULL JOIN (SELECT a.code, a.token_id, b.posted, b.held_debit, b.held_credit
                       FROM said_account AS a JOIN said_balance AS b ON b.account_id = a.id) AS f
            ON f.code = e.code AND f.token_id = e.token_id) AS w
  JOIN public.tokens AS k ON k.id = w.token_id AND k.chain_id = ANY(%(chains)s::bigint[])
 CROSS JOIN LATERAL (VALUES ('posted', coalesce(w.due_posted, 0), coalesce(w.posted, 0)),
                            ('held debit', coalesce(w.due_debit, 0), coalesce(w.held_debit, 0)),
                            ('held credit', coalesce(w.due_credit, 0), coalesce(w.held_credit, 0))) AS v (what, expected, found)
 WHERE v.expected <> v.found
 ORDER BY w.code, w.token_id, v.what LIMIT %(most)s

-- name: unposted
-- Facts that no posting function takes.
SELECT a.recorded AS transaction, a.step || ' ' || a.subject AS fact, 'posting' AS what, 'possible' AS expected, a.waits AS found
  FROM agenda AS a WHERE a.waits IS NOT NULL
 ORDER BY a.place LIMIT %(most)s

-- name: invented
-- Deposits of our rows in final blocks that the chain does not have.
SELECT NULL::bigint AS transaction, 'deposit ' || s.id AS fact, 'transfer on the chain' AS what, 'none' AS expected,
       format('%%s of %%s in block %%s', s.amount, s.token_id, s.block_number) AS found
  FROM said_deposits AS s
  JOIN public.tokens AS k ON k.id = s.token_id AND k.accepted
  JOIN public.cursors AS c ON c.chain_id = s.chain_id AND s.block_number <= c.finalized_number
 WHERE s.chain_id = ANY(%(chains)s::bigint[]) AND s.state <> 'orphaned'
   AND NOT EXISTS (SELECT FROM public.transfers AS t
                    WHERE t.chain_id = s.chain_id AND t.block_hash = s.block_hash AND t.log_index = s.log_index
                      AND (t.token, t.src, t.dst, t.amount::numeric) = (s.token, s.src, s.dst, s.amount::numeric))
 ORDER BY s.block_number, s.id LIMIT %(most)s
