-- tables: deposits

-- name: insert_arrived
-- Transfers as deposits, detected; whose they are was read before.
INSERT INTO deposits (id, account_id, livemode, kind, chain_id, tx_hash, token, src, dst, occurrence, token_id,
                      amount, block_hash, block_number, block_time, log_index, created_at)
SELECT n.id, n.account_id, n.livemode, n.kind, t.chain_id, t.tx_hash, t.token, t.src, t.dst, t.occurrence, n.token_id,
       t.amount, t.block_hash, t.block_number, n.block_time, t.log_index, n.created_at
  FROM unnest(%(ids)s::text[], %(block_hashes)s::bytea[], %(log_indexes)s::integer[], %(block_times)s::timestamptz[],
              %(token_ids)s::text[], %(account_ids)s::text[], %(livemodes)s::boolean[], %(kinds)s::text[],
              %(created_ats)s::timestamptz[])
       AS n (id, block_hash, log_index, block_time, token_id, account_id, livemode, kind, created_at)
 CROSS JOIN LATERAL (SELECT * FROM transfers x WHERE x.chain_id = %(chain_id)s AND x.block_hash = n.block_hash
                        AND x.log_index = n.log_index OFFSET 0) t;  -- each by its key, however many there are

-- name: advance_return
-- Orphaned deposits whose transaction was mined again, in the place where it is now, with what it moves there; changed:
-- that is another amount than before.
UPDATE deposits d
   SET state = 'detected', block_hash = t.block_hash, block_number = t.block_number, block_time = b.block_time,
       log_index = t.log_index, src = t.src, amount = t.amount, version = d.version + 1,
       amount_before = CASE WHEN t.amount <> d.amount THEN d.amount ELSE d.amount_before END
  FROM unnest(%(block_hashes)s::bytea[], %(log_indexes)s::integer[]) AS n (block_hash, log_index)
  JOIN transfers t ON t.chain_id = %(chain_id)s AND t.block_hash = n.block_hash AND t.log_index = n.log_index
  JOIN blocks b ON b.chain_id = t.chain_id AND b.hash = t.block_hash
  JOIN deposits was ON was.chain_id = t.chain_id AND was.tx_hash = t.tx_hash AND was.token = t.token AND was.dst = t.dst
                   AND was.occurrence = t.occurrence AND was.state = 'orphaned'
 WHERE d.id = was.id AND d.state = 'orphaned'
RETURNING d.id, d.block_hash, d.log_index, d.amount <> was.amount AS changed;

-- name: advance_orphan
-- Deposits above a height, whose blocks left the canonical chain.
UPDATE deposits SET state = 'orphaned', early = NULL, version = version + 1
 WHERE chain_id = %(chain_id)s AND block_number > %(number)s AND state = 'detected'
RETURNING id;

-- name: advance_finalize
-- Deposits up to a height that is final. Those of suspended tokens, and those that lie at addresses that their token's
-- issuer lists, wait, and are among the next ones once that is over, or they moved on. listed: it was held for that;
-- screened: its sender stands on a list now, or screening holds it.
UPDATE deposits d SET state = 'finalized', finalized_at = %(now)s, finality = %(finality)s, version = version + 1
 WHERE chain_id = %(chain_id)s AND block_number <= %(number)s AND state = 'detected'
   AND EXISTS (SELECT FROM transfers t WHERE t.chain_id = d.chain_id AND t.block_hash = d.block_hash
                  AND t.log_index = d.log_index AND t.canonical)
   AND NOT EXISTS (SELECT FROM token_suspensions s WHERE s.token_id = d.token_id AND s.ended_at IS NULL)
   AND NOT EXISTS (SELECT FROM listed_addresses l
                    WHERE (l.chain_id, l.token, l.address) = (d.chain_id, d.token, d.dst)
                      AND NOT EXISTS (SELECT FROM transfers t
                                       WHERE t.chain_id = d.chain_id AND t.token = d.token AND t.src = d.dst AND t.canonical
                                         AND t.block_number <= %(number)s
                                         AND (t.block_number, t.log_index) > (d.block_number, d.log_index)))
RETURNING d.id,
          EXISTS (SELECT FROM contract_events e
                   WHERE e.chain_id = d.chain_id AND e.contract = d.token AND e.subject = d.dst)
          AND EXISTS (SELECT FROM applications p WHERE p.deposit_id = d.id AND p.reason = 'held') AS listed,
          EXISTS (SELECT FROM screening_entries e WHERE e.address = d.src AND e.until IS NULL)
          OR EXISTS (SELECT FROM screenings s WHERE s.deposit_id = d.id AND s.state <> 'released') AS screened;

-- name: name_tokens
-- Deposits of tokens that are accepted since they came: they are of those from now on. Final ones wait while their token
-- is suspended. What a first balance of ours holds already is not counted again: money that came to that address, or
-- went on to it, before the balance was taken; so all first balances come first.
UPDATE deposits d SET token_id = k.id, version = d.version + 1
  FROM tokens k
 WHERE k.chain_id = %(chain_id)s AND k.accepted
   AND d.chain_id = k.chain_id AND d.token = k.contract AND d.token_id IS NULL
   AND (d.state = 'detected'
        OR (d.state = 'finalized'
            AND NOT EXISTS (SELECT FROM token_suspensions s WHERE s.token_id = k.id AND s.ended_at IS NULL)
            AND EXISTS (SELECT FROM deposit_proofs e WHERE e.chain_id = d.chain_id AND e.block_hash = d.block_hash
                           AND d.log_index BETWEEN e.first_log AND e.last_log)))
   AND NOT EXISTS (SELECT FROM own_addresses o
                    WHERE o.chain_id = k.chain_id
                      AND NOT EXISTS (SELECT FROM openings p
                                       WHERE p.chain_id = o.chain_id AND p.address = o.address AND p.token = k.contract))
   AND NOT EXISTS (SELECT FROM openings p
                    WHERE p.chain_id = d.chain_id AND p.token = d.token AND p.block_number >= d.block_number
                      AND (p.address = d.dst
                           OR EXISTS (SELECT FROM transfers t
                                       WHERE t.chain_id = d.chain_id AND t.token = d.token AND t.canonical
                                         AND t.src = d.dst AND t.dst = p.address AND t.block_number <= p.block_number
                                         AND (t.block_number, t.log_index) > (d.block_number, d.log_index))))
RETURNING d.id, d.state;

-- name: mark_flushed
-- Deposits that a final Transfer took from their address; a forwarder sends its whole balance or nothing. Those that
-- became final long after their block (their token was suspended, or they were found late) may be gone since before.
WITH moved AS MATERIALIZED (
    SELECT t.chain_id, t.src, t.token, t.block_number, t.log_index FROM transfers t
     WHERE t.chain_id = %(chain_id)s AND t.block_number > %(after)s AND t.block_number <= %(upto)s AND t.canonical
       AND EXISTS (SELECT FROM deposit_addresses x WHERE x.chain_id = t.chain_id AND x.address = t.src)
), gone AS MATERIALIZED (
    SELECT d.id, m.block_number
      FROM moved m
      JOIN deposits d ON d.chain_id = m.chain_id AND d.dst = m.src AND d.token = m.token
                     AND d.state = 'finalized' AND d.kind = 'payment' AND d.flushed_block IS NULL
                     AND (d.block_number, d.log_index) < (m.block_number, m.log_index)
     UNION ALL
    SELECT d.id, t.block_number
      FROM deposits d
      JOIN transfers t ON t.chain_id = d.chain_id AND t.src = d.dst AND t.token = d.token AND t.canonical
                      AND t.block_number >= d.block_number AND t.block_number <= %(after)s
                      AND (d.block_number, d.log_index) < (t.block_number, t.log_index)
     WHERE d.id = ANY(%(final)s::text[]) AND d.block_number <= %(after)s
       AND d.kind = 'payment' AND d.flushed_block IS NULL
)
UPDATE deposits d SET flushed_block = g.block_number
  FROM (SELECT id, min(block_number) AS block_number FROM gone GROUP BY id) g
 WHERE d.id = g.id;

-- name: waiting_levels
-- The levels below final at which covered intents wait for deposits of a chain.
SELECT DISTINCT i.finality
  FROM early_intents e
  JOIN payment_intents i ON i.id = e.intent_id AND i.state = 'processing'
  JOIN applications p ON p.intent_id = i.id AND p.state = 'applied'
  JOIN deposits d ON d.id = p.deposit_id AND d.chain_id = %(chain_id)s AND d.state = 'detected' AND d.early IS NULL
 WHERE e.covered;

-- name: reliable_upto
-- The highest block of deposits that are as certain now as their intents' merchants asked.
SELECT max(d.block_number)
  FROM unnest(%(levels)s::text[], %(numbers)s::bigint[]) AS n (level, number)
 CROSS JOIN early_intents e
  JOIN payment_intents i ON i.id = e.intent_id AND i.finality = n.level AND i.state = 'processing'
  JOIN applications p ON p.intent_id = i.id AND p.state = 'applied'
  JOIN deposits d ON d.id = p.deposit_id
 WHERE e.covered AND d.chain_id = %(chain_id)s AND d.state = 'detected' AND d.early IS NULL
   AND NOT EXISTS (SELECT FROM token_suspensions s WHERE s.token_id = d.token_id AND s.ended_at IS NULL)
   AND NOT EXISTS (SELECT FROM listed_addresses l WHERE (l.chain_id, l.token, l.address) = (d.chain_id, d.token, d.dst))
   AND d.block_number <= n.number
   AND d.block_number > (SELECT c.finalized_number FROM cursors c WHERE c.chain_id = %(chain_id)s);

-- name: rely_on
-- Deposits that are as certain now as their intents' merchants asked, and count for them before they are final. What is
-- found below what is final counts with the next final block, once its balance was compared.
UPDATE deposits d SET early = i.finality
  FROM unnest(%(levels)s::text[], %(numbers)s::bigint[]) AS n (level, number)
 CROSS JOIN early_intents e
  JOIN payment_intents i ON i.id = e.intent_id AND i.finality = n.level AND i.state = 'processing'
  JOIN applications p ON p.intent_id = i.id AND p.state = 'applied'
 WHERE e.covered AND d.id = p.deposit_id AND d.chain_id = %(chain_id)s AND d.state = 'detected' AND d.early IS NULL
   AND NOT EXISTS (SELECT FROM token_suspensions s WHERE s.token_id = d.token_id AND s.ended_at IS NULL)
   AND NOT EXISTS (SELECT FROM listed_addresses l WHERE (l.chain_id, l.token, l.address) = (d.chain_id, d.token, d.dst))
   AND d.block_number <= n.number AND d.token_id <> ALL(%(but)s::text[])
   AND d.block_number > (SELECT c.finalized_number FROM cursors c WHERE c.chain_id = %(chain_id)s)
RETURNING d.id, i.id AS intent_id;

-- name: grow_versions
-- Deposits that are shown otherwise than before, though their own state did not move.
UPDATE deposits SET version = version + 1 WHERE id = ANY(%(ids)s::text[]);

-- name: hold
-- One deposit, which stays as it is until the transaction ends.
SELECT id FROM deposits WHERE id = %(id)s FOR NO KEY UPDATE;

-- name: waiting
-- One deposit with the intent it is one of; booked: in the ledger; accepted, suspended: its token is;
-- listed: its token's issuer names its address; screened: screening holds it, or will: its sender stands on a list by now, and
-- no refund made its money the merchant's before.
SELECT d.id, d.account_id, d.livemode, d.kind, d.state, d.amount, k.currency, k.decimals,
       CASE WHEN p.chosen THEN p.intent_id ELSE a.intent_id END AS intent_id,
       EXISTS (SELECT FROM ledger.tx t WHERE t.source = 'deposit' AND t.source_id = d.id) AS booked,
       coalesce(k.accepted, false) AS accepted,
       EXISTS (SELECT FROM token_suspensions s WHERE s.token_id = d.token_id AND s.ended_at IS NULL) AS suspended,
       d.flushed_block IS NULL
       AND EXISTS (SELECT FROM listed_addresses l WHERE (l.chain_id, l.token, l.address) = (d.chain_id, d.token, d.dst)) AS listed,
       EXISTS (SELECT FROM screenings s WHERE s.deposit_id = d.id AND s.state <> 'released')
       OR EXISTS (SELECT FROM screening_entries e
                   WHERE e.address = d.src AND e.until IS NULL AND d.kind <> 'capital' AND d.amount > 0
                     AND NOT EXISTS (SELECT FROM screenings s
                                      WHERE s.deposit_id = d.id AND (s.address, s.list) = (e.address, e.list))
                     AND NOT EXISTS (SELECT FROM refunds r JOIN ledger.tx t ON t.source = 'refund' AND t.source_id = r.id
                                      WHERE r.deposit_id = d.id)) AS screened
  FROM deposits d
  LEFT JOIN deposit_addresses a ON a.chain_id = d.chain_id AND a.address = d.dst
  LEFT JOIN applications p ON p.deposit_id = d.id
  LEFT JOIN tokens k ON k.id = d.token_id
 WHERE d.id = %(id)s;

-- name: owners
-- Whose deposits these are, and the intents whose addresses they came to, or that were chosen for them; screened: screening
-- holds them.
SELECT d.id, d.kind,
       coalesce((SELECT p.intent_id FROM applications p WHERE p.deposit_id = d.id AND p.chosen),
                (SELECT a.intent_id FROM deposit_addresses a WHERE a.chain_id = d.chain_id AND a.address = d.dst)) AS intent_id,
       EXISTS (SELECT FROM tokens k WHERE k.id = d.token_id AND k.accepted) AS booked,
       EXISTS (SELECT FROM screenings s WHERE s.deposit_id = d.id AND s.state <> 'released') AS screened
  FROM unnest(%(ids)s::text[]) AS n (id)
 CROSS JOIN LATERAL (SELECT * FROM deposits e WHERE e.id = n.id OFFSET 0) d  -- each by its key, however many they are
 ORDER BY d.block_number, d.log_index, d.id;

-- name: of_intents
-- The deposits of some intents: those at their addresses, but for those that another was chosen for, and those that they
-- were chosen for; in chain order, with all that is shown of them, what they count for so far, and of which tokens they
-- count as payment anywhere. A token that is accepted no more counts for nothing new; what it counted for before stays.
-- What a deposit counts for says whose it is; fresh: those of which nothing is decided yet. After what only the matcher
-- asks come the columns of `shown`.
WITH theirs AS (
    SELECT n.id AS whose, d.*, p.state AS application_state, p.intent_id, p.reason, p.amount_applied, p.chosen
      FROM unnest(%(intent_ids)s::text[]) AS n (id)
     CROSS JOIN LATERAL (SELECT * FROM applications x WHERE x.intent_id = n.id OFFSET 0) p  -- each by its key, whatever
     CROSS JOIN LATERAL (SELECT * FROM deposits x WHERE x.id = p.deposit_id OFFSET 0) d     -- the statistics say
     UNION ALL
    SELECT a.intent_id, d.*, NULL, NULL, NULL, NULL, false
      FROM unnest(%(fresh)s::text[]) AS n (id)
      JOIN deposits d ON d.id = n.id
      JOIN deposit_addresses a ON a.chain_id = d.chain_id AND a.address = d.dst
     WHERE a.intent_id = ANY(%(intent_ids)s::text[])
       AND NOT EXISTS (SELECT FROM applications p WHERE p.deposit_id = d.id)
)
SELECT d.whose, d.chosen, coalesce(k.accepted OR d.application_state = 'applied', false) AS counted,
       coalesce(k.dust, 0) AS dust, coalesce(k.minimum, 0) AS minimum, w.livemode AS live_network,
       d.early IS NOT NULL AS early,
       d.id, d.account_id, d.livemode, d.kind, d.chain_id, d.token, d.token_id, k.currency, k.decimals, d.amount,
       d.tx_hash, d.log_index, d.block_number, d.block_hash, d.block_time, d.src, d.dst, d.state, d.finalized_at,
       d.created_at, d.version, d.amount_before, d.application_state, d.intent_id, d.reason, d.amount_applied,
       c.next_number, w.finality_kind, w.finality_depth,
       CASE WHEN d.finality IS NOT NULL THEN (
            SELECT e.verified FROM deposit_proofs e WHERE e.chain_id = d.chain_id AND e.block_hash = d.block_hash
               AND d.log_index BETWEEN e.first_log AND e.last_log LIMIT 1) END AS verified,
       d.flushed_block IS NULL
       AND EXISTS (SELECT FROM listed_addresses l WHERE (l.chain_id, l.token, l.address) = (d.chain_id, d.token, d.dst)) AS listed,
       EXISTS (SELECT FROM screenings s WHERE s.deposit_id = d.id AND s.state <> 'released') AS screened
  FROM theirs d
  JOIN networks w ON w.chain_id = d.chain_id
  LEFT JOIN tokens k ON k.id = d.token_id
  LEFT JOIN cursors c ON c.chain_id = d.chain_id
 ORDER BY d.block_time, d.chain_id, d.block_number, d.log_index;

-- name: shown
-- Deposits with all that the API shows of them, in the order of `Shown`.
SELECT d.id, d.account_id, d.livemode, d.kind, d.chain_id, d.token, d.token_id, k.currency, k.decimals, d.amount,
       d.tx_hash, d.log_index, d.block_number, d.block_hash, d.block_time, d.src, d.dst, d.state, d.finalized_at,
       d.created_at, d.version, d.amount_before, p.state AS application_state, p.intent_id, p.reason, p.amount_applied,
       c.next_number, w.finality_kind, w.finality_depth,
       CASE WHEN d.finality IS NOT NULL THEN (
            SELECT e.verified FROM deposit_proofs e WHERE e.chain_id = d.chain_id AND e.block_hash = d.block_hash
               AND d.log_index BETWEEN e.first_log AND e.last_log LIMIT 1) END AS verified,
       d.flushed_block IS NULL
       AND EXISTS (SELECT FROM listed_addresses l WHERE (l.chain_id, l.token, l.address) = (d.chain_id, d.token, d.dst)) AS listed,
       EXISTS (SELECT FROM screenings s WHERE s.deposit_id = d.id AND s.state <> 'released') AS screened
  FROM deposits d
  JOIN networks w ON w.chain_id = d.chain_id
  LEFT JOIN tokens k ON k.id = d.token_id
  LEFT JOIN applications p ON p.deposit_id = d.id
  LEFT JOIN cursors c ON c.chain_id = d.chain_id
 WHERE d.id = ANY(%(ids)s::text[]);

-- name: coin_at
-- The next deposit addresses of a chain, and what of the coin noticed there still lies there.
SELECT a.address,
       coalesce((SELECT sum(d.amount) FROM deposits d
                  WHERE d.chain_id = a.chain_id AND d.dst = a.address AND d.token = decode(repeat('00', 20), 'hex')
                    AND d.flushed_block IS NULL), 0) AS known
  FROM deposit_addresses a
 WHERE a.chain_id = %(chain_id)s AND a.address > %(after)s
 ORDER BY a.address LIMIT %(most)s;

-- name: mark_coin_gone
-- What was noticed at these addresses is gone from them: a forwarder sends all its coin or none.
UPDATE deposits SET flushed_block = %(block_number)s
 WHERE chain_id = %(chain_id)s AND dst = ANY(%(addresses)s::bytea[])
   AND token = decode(repeat('00', 20), 'hex') AND flushed_block IS NULL;
