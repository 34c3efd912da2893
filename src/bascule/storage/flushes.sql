-- tables: flushes, flush_items

-- name: serialize
-- One plan at a time per chain, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('flush plan ' || %(chain_id)s::text, 0))

-- name: lying
-- What lies at the deposit addresses of a factory of a token: final, not flushed, in no open flush, not lately tried
-- in vain; of one that was found empty, what became final since. An address with held money is left alone, for whatever else it
-- counts for nothing, unless it is dust; and so is one that the token's issuer lists.
SELECT d.dst AS address, sum(d.amount) AS amount, min(d.block_time) AS since,
       EXISTS (SELECT FROM deposits o WHERE o.chain_id = %(chain_id)s AND o.dst = d.dst
                  AND o.flushed_block IS NOT NULL) AS deployed
  FROM deposits d
  JOIN deposit_addresses a ON a.chain_id = d.chain_id AND a.address = d.dst AND a.factory = %(factory)s
 WHERE d.chain_id = %(chain_id)s AND d.token_id = %(token_id)s AND d.state = 'finalized' AND d.kind = 'payment'
   AND d.flushed_block IS NULL
   AND NOT EXISTS (SELECT FROM flush_items i WHERE i.chain_id = d.chain_id AND i.address = d.dst
                      AND i.token_id = d.token_id
                      AND (i.outcome = 'open'
                           OR (i.outcome IN ('skipped', 'reverted', 'refused') AND i.decided_at > %(tried_since)s)
                           OR (i.outcome = 'elsewhere' AND i.decided_at > %(tried_since)s
                               AND i.decided_at >= d.finalized_at)))
   AND NOT EXISTS (SELECT FROM deposits h JOIN applications p ON p.deposit_id = h.id
                    WHERE h.chain_id = d.chain_id AND h.dst = d.dst AND h.token = d.token AND h.state <> 'orphaned'
                      AND h.flushed_block IS NULL
                      AND (p.state = 'unapplied' AND p.reason = 'held'
                           OR p.reason IS DISTINCT FROM 'dust'
                          AND EXISTS (SELECT FROM screenings s WHERE s.deposit_id = h.id AND s.state <> 'released')))
   AND NOT EXISTS (SELECT FROM listed_addresses l WHERE (l.chain_id, l.token, l.address) = (d.chain_id, d.token, d.dst))
 GROUP BY d.dst
 ORDER BY since, d.dst

-- name: insert
-- A request.
INSERT INTO flushes (id, chain_id, token_id, factory, collector, created_at)
VALUES (%(id)s, %(chain_id)s, %(token_id)s, %(factory)s, %(collector)s, %(created_at)s)

-- name: insert_items
-- The addresses of a request, with what lies there.
INSERT INTO flush_items (flush_id, chain_id, token_id, address, amount)
SELECT %(flush_id)s, %(chain_id)s, %(token_id)s, n.address, n.amount
  FROM unnest(%(addresses)s::bytea[], %(amounts)s::numeric[]) AS n (address, amount)

-- name: oldest_requested
-- The request whose turn it is on a chain.
SELECT id FROM flushes WHERE chain_id = %(chain_id)s AND state = 'requested' ORDER BY created_at, id LIMIT 1

-- name: get
-- One flush.
SELECT * FROM flushes WHERE id = %(id)s

-- name: lock
-- One flush, locked until the transaction ends.
SELECT * FROM flushes WHERE id = %(id)s FOR UPDATE

-- name: of_slot
-- The flush that a slot carries.
SELECT * FROM flushes WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s

-- name: items
-- The addresses of a flush with their numbers, in one order for ever.
SELECT i.address, i.amount, i.outcome, i.moved, i.why, a.epoch, a.n
  FROM flush_items i JOIN deposit_addresses a ON a.chain_id = i.chain_id AND a.address = i.address
 WHERE i.flush_id = %(flush_id)s ORDER BY a.epoch, a.n

-- name: standing
-- How the open addresses of a flush stand now: what lies there, and whether any of it is held, or its address listed.
SELECT i.address,
       EXISTS (SELECT FROM deposits d WHERE d.chain_id = i.chain_id AND d.dst = i.address AND d.token_id = i.token_id
                  AND d.state = 'finalized' AND d.kind = 'payment' AND d.flushed_block IS NULL) AS lies,
       EXISTS (SELECT FROM deposits d JOIN applications p ON p.deposit_id = d.id
                WHERE d.chain_id = i.chain_id AND d.dst = i.address AND d.token_id = i.token_id
                  AND d.state <> 'orphaned' AND d.flushed_block IS NULL
                  AND (p.state = 'unapplied' AND p.reason = 'held'
                       OR p.reason IS DISTINCT FROM 'dust'
                      AND EXISTS (SELECT FROM screenings s WHERE s.deposit_id = d.id AND s.state <> 'released')))
       OR EXISTS (SELECT FROM listed_addresses l JOIN tokens k ON k.chain_id = l.chain_id AND k.contract = l.token
                   WHERE l.chain_id = i.chain_id AND l.address = i.address AND k.id = i.token_id) AS held
  FROM flush_items i WHERE i.flush_id = %(flush_id)s AND i.outcome = 'open'

-- name: decide
-- What became of open addresses of a flush.
UPDATE flush_items AS i SET outcome = n.outcome, moved = n.moved, why = n.why, decided_at = %(at)s
  FROM unnest(%(addresses)s::bytea[], %(outcomes)s::text[], %(moved)s::numeric[], %(why)s::text[])
       AS n (address, outcome, moved, why)
 WHERE i.flush_id = %(flush_id)s AND i.address = n.address AND i.outcome = 'open'

-- name: advance_reserve
-- A slot carries the flush.
UPDATE flushes SET state = 'in_transit', wallet = %(wallet)s, nonce = %(nonce)s
 WHERE id = %(id)s AND state = 'requested'

-- name: advance_end
-- The flush ends.
UPDATE flushes SET state = %(to)s, ended_at = %(at)s WHERE id = %(id)s AND state = %(from_)s
