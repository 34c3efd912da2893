-- tables: wallet_gas, gas_routes, gas_top_ups, coin_marks

-- name: see
-- How a wallet stands now; what was seen at a later block stays.
INSERT INTO wallet_gas (chain_id, wallet, balance, block_number, full_cost, spent, spent_since, seen_at)
VALUES (%(chain_id)s, %(wallet)s, %(balance)s, %(block_number)s, %(full_cost)s, %(spent)s, %(spent_since)s, %(seen_at)s)
ON CONFLICT (chain_id, wallet) DO UPDATE
   SET balance = excluded.balance, block_number = excluded.block_number, full_cost = excluded.full_cost,
       spent = excluded.spent, spent_since = excluded.spent_since, seen_at = excluded.seen_at
 WHERE wallet_gas.block_number <= excluded.block_number

-- name: worked_up_to
-- The newest block at which a lane of a vault was worked, as its submitter saw its wallet there; null for none.
SELECT max(g.block_number) AS number FROM wallet_gas AS g
  JOIN lanes AS l ON l.chain_id = g.chain_id AND l.wallet = g.wallet
 WHERE l.chain_id = %(chain_id)s AND l.vault = %(vault)s

-- name: spent
-- What a wallet spent since a moment: fees, and coin it sent to other wallets of ours; and when that began.
SELECT coalesce(sum(x.amount), 0) AS amount, min(x.at) AS began
  FROM (SELECT a.fee_paid AS amount, a.created_at AS at FROM attempts AS a
         WHERE a.chain_id = %(chain_id)s AND a.wallet = %(wallet)s AND a.fee_paid > 0 AND a.created_at > %(since)s
         UNION ALL
        SELECT t.amount, t.requested_at FROM gas_top_ups AS t
         WHERE t.chain_id = %(chain_id)s AND t.wallet = %(wallet)s AND t.requested_at > %(since)s
           AND t.outcome IN ('open', 'done')) AS x

-- name: standing
-- How the wallets of all chains stand, as their lanes saw them last.
SELECT g.*, w.name FROM wallet_gas AS g JOIN wallets AS w ON w.chain_id = g.chain_id AND w.address = g.wallet
 ORDER BY g.chain_id, w.name

-- name: fillable
-- The wallets of a chain that coin may go to now, with what went there within a day. Seen before the last top-up was in
-- its block, or failed a moment ago: not now.
SELECT g.*, w.name, r.max_per_item, r.max_per_day,
       (SELECT coalesce(sum(t.amount), 0) FROM gas_top_ups AS t
         WHERE t.chain_id = g.chain_id AND t.destination = g.wallet AND t.requested_at > %(day)s
           AND t.outcome IN ('open', 'done')) AS sent
  FROM wallet_gas AS g
  JOIN wallets AS w ON w.chain_id = g.chain_id AND w.address = g.wallet
  JOIN gas_routes AS r ON r.chain_id = g.chain_id AND r.destination = g.wallet
 WHERE g.chain_id = %(chain_id)s
   AND NOT EXISTS (SELECT 1 FROM gas_top_ups AS t WHERE t.chain_id = g.chain_id AND t.destination = g.wallet
                      AND (t.outcome = 'open' OR t.block_number > g.block_number
                           OR (t.outcome = 'failed' AND t.decided_at > %(retry)s)))
 ORDER BY g.balance / greatest(g.full_cost, 1), w.name

-- name: set_route
-- Coin may go to this wallet, so much at once and in a day.
INSERT INTO gas_routes (chain_id, destination, max_per_item, max_per_day)
VALUES (%(chain_id)s, %(destination)s, %(max_per_item)s, %(max_per_day)s)
ON CONFLICT (chain_id, destination) DO UPDATE
   SET max_per_item = excluded.max_per_item, max_per_day = excluded.max_per_day

-- name: insert
-- A nonce sends coin to a wallet of ours.
INSERT INTO gas_top_ups (chain_id, wallet, nonce, destination, amount, requested_at)
VALUES (%(chain_id)s, %(wallet)s, %(nonce)s, %(destination)s, %(amount)s, %(requested_at)s)

-- name: of_slot
-- What a nonce sends, and to whom.
SELECT destination, amount FROM gas_top_ups
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s

-- name: decide
-- What came of it; it is said once.
UPDATE gas_top_ups SET outcome = %(outcome)s, decided_at = %(at)s, block_number = %(block_number)s
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s AND outcome = 'open'

-- name: wallets_opened
-- The wallets whose first balance of coin is known, by chain, with the newest final block as far as it was read. since, base: the
-- last block at which one had what the rows say, or the first of all.
SELECT w.chain_id, w.address, w.name, k.id AS token_id, n.livemode, coalesce(m.block_number, o.block_number) AS since,
       coalesce(m.amount, o.amount) AS base, c.finalized_number AS block_number
  FROM wallets AS w
  JOIN networks AS n ON n.chain_id = w.chain_id
  JOIN cursors AS c ON c.chain_id = w.chain_id
  JOIN tokens AS k ON k.chain_id = w.chain_id AND k.contract = decode(repeat('00', 20), 'hex')
  JOIN openings AS o ON (o.chain_id, o.address, o.token) = (w.chain_id, w.address, k.contract)
  LEFT JOIN coin_marks AS m ON m.chain_id = w.chain_id AND m.wallet = w.address
 WHERE o.block_number <= c.finalized_number
 ORDER BY w.chain_id, w.name

-- name: mark
-- A wallet had what the rows say at the end of a block.
INSERT INTO coin_marks (chain_id, wallet, block_number, amount)
VALUES (%(chain_id)s, %(wallet)s, %(block_number)s, %(amount)s)
ON CONFLICT (chain_id, wallet) DO UPDATE SET block_number = excluded.block_number, amount = excluded.amount
 WHERE coin_marks.block_number < excluded.block_number

-- name: booked
-- What the rows say moved in a wallet up to the end of a block. settled: all that had its nonces by then is final here, too, and so
-- is every top-up that may have reached it; wallets and nonces: how many each wallet had used at that block.
WITH used AS (SELECT * FROM unnest(%(wallets)s::bytea[], %(nonces)s::bigint[]) AS u (wallet, nonces))
SELECT (SELECT coalesce(sum(t.amount), 0) FROM gas_top_ups AS t
         WHERE t.chain_id = %(chain_id)s AND t.destination = %(wallet)s AND t.outcome = 'done'
           AND t.block_number > %(since)s AND t.block_number <= %(block_number)s) AS came,
       (SELECT coalesce(sum(t.amount), 0) FROM gas_top_ups AS t
         WHERE t.chain_id = %(chain_id)s AND t.wallet = %(wallet)s AND t.outcome = 'done'
           AND t.block_number > %(since)s AND t.block_number <= %(block_number)s) AS went,
       (SELECT coalesce(-sum(e.amount), 0)
          FROM attempts AS a
          JOIN ledger.tx AS x ON x.source = 'gas' AND x.source_id = encode(a.tx_hash, 'hex')
          JOIN ledger.entry AS e ON e.tx_id = x.id AND e.layer = 0
          JOIN ledger.account AS l ON l.id = e.account_id AND l.code = 'custody:wallets'
         WHERE a.chain_id = %(chain_id)s AND a.wallet = %(wallet)s
           AND x.block_number > %(since)s AND x.block_number <= %(block_number)s) AS gas,
       NOT EXISTS (SELECT FROM slots AS s JOIN used AS u ON u.wallet = s.wallet
                    WHERE s.chain_id = %(chain_id)s AND s.wallet = %(wallet)s AND s.nonce < u.nonces AND s.state <> 'final')
       AND NOT EXISTS (SELECT FROM gas_top_ups AS t LEFT JOIN used AS u ON u.wallet = t.wallet
                        WHERE t.chain_id = %(chain_id)s AND t.destination = %(wallet)s AND t.outcome = 'open'
                          AND (t.nonce < u.nonces) IS NOT FALSE) AS settled
