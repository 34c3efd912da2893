-- tables: agenda, public.payouts, public.refunds, public.fee_versions, public.deposit_addresses, public.treasury_sources, public.screenings
-- Of the empty database alone: what is to be posted, in its order, and the states that postings ask for.

-- name: make_agenda
-- What is to be posted. part: which hold, or that one ended; recorded: the transaction that books it in the books to be judged; waits: why it was
-- not posted when its turn came.
CREATE TEMPORARY TABLE agenda (
    place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, step text, subject text, part integer, source text, source_id text,
    chain_id bigint, block_hash bytea, log_index integer, at timestamptz, recorded bigint, waits text, done boolean DEFAULT false
)

-- name: fill
-- Every fact of these chains that is to be booked. The order is that of the books to be judged, which no fact tells; what they
-- lack comes at the time of its block or command.
INSERT INTO agenda (step, subject, part, source, source_id, chain_id, block_hash, log_index, at, recorded)
WITH moved AS MATERIALIZED (                             -- transfers of booked tokens that left an address of ours
    SELECT t.*, k.id AS token_id, z.place, b.block_time, own.address IS NOT NULL AS from_own,
           EXISTS (SELECT FROM public.openings AS o WHERE (o.chain_id, o.address, o.token) = (t.chain_id, t.dst, t.token)
                      AND o.block_number < t.block_number) AS to_own,
           far.address IS NOT NULL AS to_deposit, x.source AS booked_as, y.chain_id IS NOT NULL AS booked,
           y.chain_id IS NULL AND (EXISTS (SELECT FROM public.token_suspensions AS s WHERE s.token_id = k.id AND NOT s.settled)
                                   OR EXISTS (SELECT FROM withdrawn AS g WHERE g.token_id = k.id)) AS waits
      FROM public.transfers AS t
      JOIN public.blocks AS b ON b.chain_id = t.chain_id AND b.hash = t.block_hash
      JOIN public.tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token AND k.accepted
     CROSS JOIN LATERAL (SELECT format('%%s/%%s/%%s', t.chain_id, encode(t.block_hash, 'hex'), t.log_index) AS place) AS z
      LEFT JOIN public.openings AS own ON (own.chain_id, own.address, own.token) = (t.chain_id, t.src, t.token)
                                      AND own.block_number < t.block_number
      LEFT JOIN public.deposit_addresses AS near ON near.chain_id = t.chain_id AND near.address = t.src
      LEFT JOIN public.deposit_addresses AS far ON far.chain_id = t.chain_id AND far.address = t.dst
      LEFT JOIN said_booked AS y ON (y.chain_id, y.block_hash, y.log_index) = (t.chain_id, t.block_hash, t.log_index)
      LEFT JOIN said_tx AS x ON x.id = y.tx_id
     WHERE t.canonical AND (own.address IS NOT NULL OR near.address IS NOT NULL)
       AND NOT EXISTS (SELECT FROM public.payouts AS p WHERE p.state = 'paid' AND p.chain_id = t.chain_id
                          AND p.paid_block_hash = t.block_hash AND p.paid_log_index = t.log_index)
), outflow AS MATERIALIZED (
    SELECT m.* FROM moved AS m
     WHERE m.amount > 0 AND NOT m.to_own AND NOT m.waits AND (NOT m.to_deposit OR m.booked_as = 'outflow')
       AND (m.from_own OR m.booked OR NOT EXISTS (       -- what came to a deposit address before is not booked either
            SELECT FROM public.transfers AS i
             WHERE i.chain_id = m.chain_id AND i.dst = m.src AND i.token = m.token AND i.amount > 0
               AND (i.block_number, i.log_index) < (m.block_number, m.log_index)
               AND NOT EXISTS (SELECT FROM said_booked AS b
                                WHERE (b.chain_id, b.block_hash, b.log_index) = (i.chain_id, i.block_hash, i.log_index))))
       AND NOT EXISTS (SELECT FROM public.own_addresses AS o WHERE o.chain_id = m.chain_id AND o.address = m.dst)
       AND NOT EXISTS (SELECT FROM public.attempts AS a WHERE a.chain_id = m.chain_id AND a.tx_hash = m.tx_hash)
       AND NOT EXISTS (SELECT FROM public.recovered_payouts AS r WHERE r.chain_id = m.chain_id AND r.tx_hash = m.tx_hash)
       AND NOT EXISTS (SELECT FROM batched AS g WHERE (g.chain_id, g.block_hash, g.log_index) = (m.chain_id, m.block_hash, m.log_index))
), held AS MATERIALIZED (                                -- each hold of a payout, and whether it ended without paying
    SELECT p.id, h.n, p.chain_id, p.created_at, h.n < p.holds OR p.state IN ('requires_action', 'canceled', 'failed') AS released
      FROM public.payouts AS p CROSS JOIN LATERAL generate_series(1, p.holds) AS h (n)
     WHERE h.n < p.holds OR p.state IN ('pending', 'in_transit', 'paid')
        OR EXISTS (SELECT FROM said_tx AS x WHERE x.source IN ('hold', 'release') AND x.source_id = p.id || '#' || h.n)
), fact AS (
    SELECT 'opening' AS step, o.id AS subject, 0 AS part, 'opening' AS source, o.id AS source_id, o.chain_id, o.block_hash::bytea,
           0 AS log_index, '-infinity'::timestamptz AS at, o.block_number
      FROM public.openings AS o JOIN public.tokens AS k ON k.chain_id = o.chain_id AND k.contract = o.token WHERE o.amount > 0
     UNION ALL
    SELECT 'deposit', d.id, 0, 'deposit', d.id, d.chain_id, d.block_hash, d.log_index, d.block_time, d.block_number
      FROM public.deposits AS d WHERE d.state = 'finalized'
     UNION ALL
    SELECT 'application', d.id, 0, 'application', d.id, d.chain_id, d.block_hash, d.log_index, s.updated_at, d.block_number
      FROM said_applications AS s JOIN public.deposits AS d ON d.id = s.deposit_id AND d.state = 'finalized'
     WHERE EXISTS (SELECT FROM said_tx AS x WHERE x.source = 'application' AND x.source_id = d.id)
     UNION ALL
    SELECT 'screening', s.id, h.n, 'screening', CASE h.n WHEN 0 THEN s.id ELSE s.id || '#released' END, d.chain_id, d.block_hash,
           d.log_index, CASE h.n WHEN 0 THEN s.created_at ELSE s.decided_at END, d.block_number
      FROM public.screenings AS s
      JOIN public.deposits AS d ON d.id = s.deposit_id AND d.state = 'finalized'
     CROSS JOIN (VALUES (0), (1)) AS h (n)
     WHERE h.n = 0 AND s.state <> 'released' OR s.state = 'released' AND EXISTS (
            SELECT FROM said_tx AS x WHERE x.source = 'screening' AND x.source_id IN (s.id, s.id || '#released'))
     UNION ALL
    SELECT 'internal', m.place, 0, 'internal', m.place, m.chain_id, m.block_hash, m.log_index, m.block_time, m.block_number
      FROM moved AS m
     WHERE (m.to_own OR m.to_deposit) AND NOT m.waits AND m.booked_as IS DISTINCT FROM 'outflow' AND (m.from_own OR m.booked_as IS DISTINCT FROM 'deposit')
       AND (m.booked OR NOT ledger.awaits_payout(m.chain_id, m.src, m.dst, m.token_id, m.amount))
     UNION ALL
    SELECT 'outflow', m.place, 0, 'outflow', m.place, m.chain_id, m.block_hash, m.log_index, m.block_time, m.block_number
      FROM outflow AS m
     UNION ALL
    SELECT 'found', m.place, 0, 'found', m.place, m.chain_id, m.block_hash, m.log_index, now(), m.block_number
      FROM outflow AS m WHERE m.to_deposit
     UNION ALL
    SELECT 'loss', x.source_id, 0, 'loss', x.source_id, split_part(x.source_id, '/', 1)::bigint, NULL, 0, x.recorded_at, 0
      FROM said_tx AS x WHERE x.source = 'loss'
     UNION ALL
    SELECT 'hold', h.id, h.n, 'hold', h.id || '#' || h.n, h.chain_id, NULL, 2 * h.n, h.created_at, 0 FROM held AS h
     UNION ALL
    SELECT 'release', h.id, h.n, 'release', h.id || '#' || h.n, h.chain_id, NULL, 2 * h.n + 1, now(), 0 FROM held AS h WHERE h.released
     UNION ALL
    SELECT 'payout', p.id, p.holds, 'payout', p.id, p.chain_id, p.paid_block_hash, p.paid_log_index, p.paid_at, 0
      FROM public.payouts AS p WHERE p.state = 'paid'
     UNION ALL
    SELECT 'refund', r.id, 0, 'refund', r.id, k.chain_id, NULL, 0, r.created_at, 0
      FROM public.refunds AS r JOIN public.tokens AS k ON k.id = r.token_id
     WHERE r.excess > 0
       AND (r.payout_id IS NOT NULL OR EXISTS (SELECT FROM said_tx AS x WHERE x.source = 'refund' AND x.source_id = r.id))
     UNION ALL
    SELECT 'gas', encode(m.tx_hash, 'hex'), 0, 'gas', encode(m.tx_hash, 'hex'), m.chain_id, m.block_hash, 0, b.block_time, m.block_number
      FROM mined AS m
      JOIN public.attempts AS a ON a.tx_hash = m.tx_hash AND a.state = 'final' AND a.fee_paid > 0
      LEFT JOIN public.blocks AS b ON b.chain_id = m.chain_id AND b.hash = m.block_hash
     UNION ALL
    SELECT 'version', v.account_id || '/' || v.currency, v.version, 'version', '', NULL, NULL, 0, v.effective_from, 0 FROM said_versions AS v
)
SELECT f.step, f.subject, f.part, f.source, f.source_id, f.chain_id, f.block_hash, f.log_index,
       coalesce(x.recorded_at, f.at, now()) AS at, x.id
  FROM fact AS f
  LEFT JOIN said_tx AS x ON x.source = f.source AND x.source_id = f.source_id
 WHERE f.chain_id = ANY(%(chains)s::bigint[]) OR f.chain_id IS NULL
 ORDER BY 9, x.id NULLS FIRST, f.block_number, f.log_index, f.subject

-- name: hide
-- An address to which money went that was booked as lost is not known to be ours before it is found.
UPDATE public.deposit_addresses AS d SET chain_id = -d.chain_id
  FROM agenda AS a JOIN public.transfers AS t ON t.chain_id = a.chain_id AND t.block_hash = a.block_hash AND t.log_index = a.log_index
 WHERE a.step = 'found' AND d.chain_id = t.chain_id AND d.address = t.dst

-- name: show
-- From now on it is.
UPDATE public.deposit_addresses AS d SET chain_id = t.chain_id
  FROM public.transfers AS t
 WHERE t.chain_id = %(chain_id)s AND t.block_hash = %(block_hash)s AND t.log_index = %(log_index)s
   AND d.chain_id = -t.chain_id AND d.address = t.dst

-- name: unname
-- Where a break says that money went to nobody we knew, whoever is a source of capital now was none.
UPDATE public.treasury_sources AS s SET chain_id = -s.chain_id
  FROM public.transfers AS t
 WHERE t.chain_id = %(chain_id)s AND t.block_hash = %(block_hash)s AND t.log_index = %(log_index)s
   AND s.chain_id = t.chain_id AND s.address = t.dst
   AND EXISTS (SELECT FROM public.breaks AS b JOIN public.tokens AS k ON k.id = b.token_id
                WHERE b.type = 'unexplained_outflow' AND b.evidence ->> 'why' = 'to_nobody_we_know'
                  AND b.subject = format('%%s/%%s/%%s/%%s', k.id, t.chain_id, encode(t.block_hash, 'hex'), t.log_index))

-- name: rename
-- Now it is one.
UPDATE public.treasury_sources SET chain_id = -chain_id WHERE chain_id < 0

-- name: count
-- How much there is to post.
SELECT count(*) AS facts FROM agenda

-- name: next
-- What comes next; of what had to wait, if that is asked for.
SELECT a.place, a.step, a.subject, a.part, a.chain_id, a.block_hash, a.log_index, a.at
  FROM agenda AS a
 WHERE a.place > %(after)s AND NOT a.done AND (a.waits IS NOT NULL OR NOT %(waiting)s)
 ORDER BY a.place LIMIT %(most)s

-- name: note
-- What was posted, and why the others were not.
UPDATE agenda AS a SET done = n.waits IS NULL, waits = n.waits
  FROM unnest(%(places)s::bigint[], %(reasons)s::text[]) AS n (place, waits)
 WHERE a.place = n.place

-- name: advance_payout
-- The state in which a payout was when something of it was posted.
UPDATE public.payouts SET state = %(state)s, holds = %(holds)s
 WHERE id = %(id)s AND (state, holds) IS DISTINCT FROM (%(state)s::text, %(holds)s::integer)

-- name: advance_refund
-- A refund was pending when it was posted.
UPDATE public.refunds SET state = 'pending' WHERE id = %(id)s AND state <> 'pending'

-- name: advance_others
-- One at a time holds a deposit: what another list found of it was opened once this one was released.
UPDATE public.screenings SET state = 'released'
 WHERE deposit_id = (SELECT s.deposit_id FROM public.screenings AS s WHERE s.id = %(id)s) AND id <> %(id)s AND state <> 'released'

-- name: advance_screening
-- The state in which a screening was when it moved money.
UPDATE public.screenings SET state = %(state)s WHERE id = %(id)s AND state <> %(state)s

-- name: begin_version
-- A merchant pays by this version from here on.
INSERT INTO public.fee_versions (account_id, currency, version, bps, fixed, effective_from)
SELECT v.account_id, v.currency, v.version, v.bps, v.fixed, now() FROM said_versions AS v
 WHERE v.account_id || '/' || v.currency = %(subject)s AND v.version = %(version)s
ON CONFLICT DO NOTHING
