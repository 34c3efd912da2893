-- tables: mined, batched, withdrawn, public.tokens, public.blocks, public.deposits, public.applications, public.attempts, public.openings, public.cursors
-- Of the empty database alone, but for `stretches`. A place is chain/block hash/log index.

-- name: stretches
-- From the first block of each chain that was read to the last one that is final.
SELECT c.chain_id, n.name, f.number AS first, c.finalized_number AS last, c.finalized_hash AS last_hash
  FROM cursors AS c
  JOIN networks AS n ON n.chain_id = c.chain_id
 CROSS JOIN LATERAL (SELECT b.number FROM blocks AS b WHERE b.chain_id = c.chain_id AND b.canonical ORDER BY b.number LIMIT 1) AS f
 WHERE c.finalized_hash IS NOT NULL
 ORDER BY c.chain_id

-- name: make_mined
-- Transactions of ours in final blocks, by their receipts.
CREATE TEMPORARY TABLE mined (
    tx_hash hash32 PRIMARY KEY, chain_id bigint, block_hash hash32, block_number bigint, fee_paid numeric
)

-- name: make_batched
-- Transfers of batches that our rows do not know.
CREATE TEMPORARY TABLE batched (chain_id bigint, block_hash hash32, log_index integer, PRIMARY KEY (chain_id, block_hash, log_index))

-- name: record_batched
-- One of them.
INSERT INTO batched (chain_id, block_hash, log_index) VALUES (%(chain_id)s, %(block_hash)s, %(log_index)s)

-- name: make_withdrawn
-- Tokens that were booked once and are accepted no more.
CREATE TEMPORARY TABLE withdrawn (token_id text PRIMARY KEY)

-- name: withdraw
-- Since when they are, no row says: of these our books tell what was booked, and the chain how much it was.
INSERT INTO withdrawn (token_id)
SELECT k.id FROM public.tokens AS k
 WHERE NOT k.accepted AND EXISTS (SELECT FROM said_entry AS e WHERE e.token_id = k.id) AND k.contract <> decode(repeat('00', 20), 'hex')

-- name: accept
-- They were accepted then.
UPDATE public.tokens AS k SET accepted = true FROM withdrawn AS w WHERE w.token_id = k.id

-- name: run_on
-- No chain is halted here.
UPDATE public.cursors SET halted_reason = NULL, disputed_number = NULL WHERE halted_reason IS NOT NULL

-- name: keep_blocks
-- Blocks with their times.
INSERT INTO public.blocks (chain_id, hash, number, parent, block_time)
SELECT %(chain_id)s, n.hash, n.number, n.parent, n.block_time
  FROM unnest(%(hashes)s::bytea[], %(numbers)s::bigint[], %(parents)s::bytea[], %(times)s::timestamptz[])
       AS n (hash, number, parent, block_time)
ON CONFLICT DO NOTHING

-- name: openings
-- First balances of a chain that were not 0.
SELECT o.id, o.address, o.token, o.block_number, o.amount FROM public.openings AS o
 WHERE o.chain_id = %(chain_id)s AND o.amount > 0 ORDER BY o.block_number, o.id

-- name: correct_opening
-- Another amount, as the chain has it.
UPDATE public.openings SET amount = %(amount)s WHERE id = %(id)s

-- name: signed_after
-- Transactions of ours by hash.
SELECT a.tx_hash, a.max_fee_per_gas, a.max_priority_fee_per_gas, a.gas FROM public.attempts AS a
 WHERE a.chain_id = %(chain_id)s AND a.tx_hash > %(after)s ORDER BY a.tx_hash LIMIT %(most)s

-- name: record_mined
-- A transaction's place and cost.
INSERT INTO mined (tx_hash, chain_id, block_hash, block_number, fee_paid)
VALUES (%(tx_hash)s, %(chain_id)s, %(block_hash)s, %(number)s, %(fee_paid)s)

-- name: derive_deposits
-- Each transfer from outside to us is a deposit: whose, of what and how much its addresses say. Its name is from our row; so
-- is whether its sender was a source of capital or of ours by then, and whether its token was accepted too late to book it. It
-- is final, unless its token is suspended or its address listed and our row waits for that.
INSERT INTO public.deposits (id, account_id, livemode, kind, chain_id, tx_hash, token, src, dst, occurrence, token_id, amount,
                             block_hash, block_number, block_time, log_index, state, created_at, finalized_at)
SELECT coalesce(s.id, format('%%s/%%s/%%s', t.chain_id, encode(t.block_hash, 'hex'), t.log_index)),
       coalesce(a.account_id, r.id), n.livemode,
       CASE WHEN o.address IS NULL THEN 'payment'
            WHEN o.kind <> 'wallet' AND s.kind IS DISTINCT FROM 'unsolicited'
             AND EXISTS (SELECT FROM public.treasury_sources AS y WHERE y.chain_id = t.chain_id AND y.address = t.src) THEN 'capital'
            ELSE 'unsolicited' END,
       t.chain_id, t.tx_hash, t.token, t.src, t.dst, t.occurrence, k.id, t.amount, t.block_hash, t.block_number, b.block_time,
       t.log_index, CASE WHEN w.waits THEN 'detected' ELSE 'finalized' END, now(), CASE WHEN NOT w.waits THEN now() END
  FROM public.transfers AS t
  JOIN public.blocks AS b ON b.chain_id = t.chain_id AND b.hash = t.block_hash
  JOIN public.networks AS n ON n.chain_id = t.chain_id
  JOIN public.tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token AND k.accepted
  JOIN public.accounts AS r ON r.kind = 'operator'
  LEFT JOIN public.deposit_addresses AS a ON a.chain_id = t.chain_id AND a.address = t.dst
  LEFT JOIN public.own_addresses AS o ON o.chain_id = t.chain_id AND o.address = t.dst
  LEFT JOIN said_deposits AS s ON (s.chain_id, s.tx_hash, s.token, s.dst, s.occurrence)
                                  = (t.chain_id, t.tx_hash, t.token, t.dst, t.occurrence)
 CROSS JOIN LATERAL (
    SELECT s.state IS DISTINCT FROM 'finalized' AND (
               EXISTS (SELECT FROM public.token_suspensions AS x WHERE x.token_id = k.id AND NOT x.settled)
            OR EXISTS (SELECT FROM public.listed_addresses AS l WHERE (l.chain_id, l.token, l.address) = (t.chain_id, t.token, t.dst)))
            OR EXISTS (SELECT FROM withdrawn AS g WHERE g.token_id = k.id)
               AND NOT EXISTS (SELECT FROM said_tx AS y WHERE y.source = 'deposit' AND y.source_id = s.id) AS waits) AS w
 WHERE t.amount > 0 AND (a.address IS NOT NULL OR o.address IS NOT NULL)
   AND NOT EXISTS (SELECT FROM public.openings AS x WHERE (x.chain_id, x.address, x.token) = (t.chain_id, t.src, t.token)
                      AND x.block_number < t.block_number)
   AND (EXISTS (SELECT FROM said_tx AS y WHERE y.source = 'deposit' AND y.source_id = s.id)
        OR NOT EXISTS (SELECT FROM public.own_addresses AS x WHERE x.chain_id = t.chain_id AND x.address = t.src)
       AND NOT EXISTS (SELECT FROM public.deposit_addresses AS x WHERE x.chain_id = t.chain_id AND x.address = t.src))
   AND (s.id IS NULL OR s.token_id IS NOT NULL)
ON CONFLICT DO NOTHING

-- name: derive_applications
-- What was decided about a deposit when it was booked: where the books to be judged have it applied later, or it went back,
-- nothing yet.
INSERT INTO public.applications (deposit_id, intent_id, state, reason, amount_applied, updated_at, chosen)
SELECT s.deposit_id, s.intent_id, CASE WHEN x.id IS NULL AND s.state <> 'refunded' THEN s.state ELSE 'unapplied' END, s.reason,
       CASE WHEN x.id IS NULL THEN s.amount_applied::numeric ELSE 0 END, s.updated_at, s.chosen
  FROM said_applications AS s
  JOIN public.deposits AS d ON d.id = s.deposit_id
  LEFT JOIN said_tx AS x ON x.source = 'application' AND x.source_id = s.deposit_id

-- name: undecided
-- About a payment that our rows do not know nothing was decided.
INSERT INTO public.applications (deposit_id, state, reason, amount_applied)
SELECT d.id, 'unapplied', 'no_intent', 0 FROM public.deposits AS d WHERE d.kind = 'payment'
ON CONFLICT (deposit_id) DO NOTHING

-- name: advance_application
-- What was decided in the end.
UPDATE public.applications AS p SET state = s.state, reason = s.reason, amount_applied = s.amount_applied
  FROM said_applications AS s WHERE s.deposit_id = %(id)s AND p.deposit_id = s.deposit_id AND p.state = 'unapplied'

-- name: advance_attempts
-- Where a transaction of ours lies, and what it cost, is what receipts say; without one it is in no final block.
UPDATE public.attempts AS a
   SET state = CASE WHEN m.tx_hash IS NULL THEN 'superseded' ELSE 'final' END,
       block_hash = m.block_hash, block_number = m.block_number, fee_paid = m.fee_paid
  FROM public.attempts AS b LEFT JOIN mined AS m ON m.tx_hash = b.tx_hash
 WHERE b.tx_hash = a.tx_hash AND a.state = 'final'
