-- tables: wallet_gas, gas_routes, gas_top_ups

-- name: see
-- How a wallet stands now; what was seen at a later block stays.
INSERT INTO wallet_gas (chain_id, wallet, balance, block_number, full_cost, spent, spent_since, seen_at)
VALUES (%(chain_id)s, %(wallet)s, %(balance)s, %(block_number)s, %(full_cost)s, %(spent)s, %(spent_since)s, %(seen_at)s)
ON CONFLICT (chain_id, wallet) DO UPDATE
   SET balance = excluded.balance, block_number = excluded.block_number, full_cost = excluded.full_cost,
       spent = excluded.spent, spent_since = excluded.spent_since, seen_at = excluded.seen_at
 WHERE wallet_gas.block_number <= excluded.block_number

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
