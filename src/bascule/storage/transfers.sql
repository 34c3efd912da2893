-- tables: transfers, seen_transfers, arriving

-- name: make_arriving
-- Where a transaction's transfers land before they part; it is empty again when that ends.
CREATE TEMPORARY TABLE IF NOT EXISTS arriving (
    number bigint, block_hash hash32, log_index integer, tx_hash hash32, token evm_address, src evm_address,
    dst evm_address, amount base_units, occurrence integer
) ON COMMIT DELETE ROWS;

-- name: copy_arriving
-- A block's transfers, in the order of the columns.
COPY arriving FROM STDIN;

-- name: keep_seen
-- The partitions of seen_transfers for some heights; those that are final for long go.
SELECT keep_seen_transfers(%(chain_id)s, %(lowest)s, %(highest)s, %(width)s);

-- name: part
-- Transfers that touch an address of ours, as canonical, apart from others of accepted tokens. An own address is
-- watched from the block after its opening on; what came before is part of the opening. What we sent to somebody else
-- is among the others too: the address may turn out to be ours. Counted, as EXISTS for many would hash every address.
WITH told AS MATERIALIZED (
    SELECT a.*, coalesce(k.accepted, false) AS accepted,
           (SELECT count(*) FROM deposit_addresses d WHERE d.chain_id = %(chain_id)s AND d.address = a.dst) > 0 AS paid,
           (SELECT count(*) FROM deposit_addresses d WHERE d.chain_id = %(chain_id)s AND d.address = a.src) > 0
           OR EXISTS (SELECT FROM own_addresses o
                       WHERE o.chain_id = %(chain_id)s AND o.address IN (a.src, a.dst)
                         AND (k.accepted IS NOT TRUE
                              OR EXISTS (SELECT FROM openings p
                                          WHERE p.chain_id = %(chain_id)s AND p.address = o.address
                                            AND p.token = a.token AND p.block_number < a.number))) AS moved
      FROM arriving a
      LEFT JOIN tokens k ON k.chain_id = %(chain_id)s AND k.contract = a.token
), kept AS (
    INSERT INTO transfers (chain_id, block_hash, log_index, block_number, tx_hash, token, src, dst, amount, occurrence)
    SELECT %(chain_id)s, t.block_hash, t.log_index, t.number, t.tx_hash, t.token, t.src, t.dst, t.amount, t.occurrence
      FROM told t WHERE t.paid OR t.moved
    ON CONFLICT (chain_id, block_hash, log_index) DO UPDATE
       SET canonical = true, tx_hash = excluded.tx_hash, token = excluded.token, src = excluded.src,
           dst = excluded.dst, amount = excluded.amount, occurrence = excluded.occurrence
    RETURNING 1
), seen AS (
    INSERT INTO seen_transfers (chain_id, number, block_hash, log_index, tx_hash, token, src, dst, amount, occurrence)
    SELECT %(chain_id)s, t.number, t.block_hash, t.log_index, t.tx_hash, t.token, t.src, t.dst, t.amount, t.occurrence
      FROM told t
     WHERE t.accepted AND NOT t.paid
       AND NOT (t.moved AND t.dst IN (SELECT o.address FROM own_addresses o WHERE o.chain_id = %(chain_id)s))
    ON CONFLICT (chain_id, number, block_hash, log_index) DO UPDATE
       SET canonical = true, tx_hash = excluded.tx_hash, token = excluded.token, src = excluded.src,
           dst = excluded.dst, amount = excluded.amount, occurrence = excluded.occurrence
)
SELECT (SELECT count(*) FROM kept) AS ours,
       (SELECT count(*) FROM told t WHERE t.accepted AND NOT t.paid AND NOT t.moved) AS seen;

-- name: add_missing
-- Those of a block's transfers that touch an address of ours and are not stored, as canonical; by the rule of `part`.
INSERT INTO transfers (chain_id, block_hash, log_index, block_number, tx_hash, token, src, dst, amount, occurrence)
SELECT %(chain_id)s, n.block_hash, n.log_index, n.number, n.tx_hash, n.token, n.src, n.dst, n.amount, n.occurrence
  FROM unnest(%(block_hashes)s::bytea[], %(log_indexes)s::integer[], %(heights)s::bigint[], %(tx_hashes)s::bytea[],
              %(contracts)s::bytea[], %(srcs)s::bytea[], %(dsts)s::bytea[], %(amounts)s::numeric[],
              %(occurrences)s::integer[])
       AS n (block_hash, log_index, number, tx_hash, token, src, dst, amount, occurrence)
  LEFT JOIN tokens k ON k.chain_id = %(chain_id)s AND k.contract = n.token
 WHERE EXISTS (SELECT FROM deposit_addresses d WHERE d.chain_id = %(chain_id)s AND d.address IN (n.dst, n.src))
    OR EXISTS (SELECT FROM own_addresses o
                WHERE o.chain_id = %(chain_id)s AND o.address IN (n.src, n.dst)
                  AND (k.accepted IS NOT TRUE
                       OR EXISTS (SELECT FROM openings p
                                   WHERE p.chain_id = %(chain_id)s AND p.address = o.address
                                     AND p.token = n.token AND p.block_number < n.number)))
ON CONFLICT (chain_id, block_hash, log_index) DO NOTHING
RETURNING block_hash, log_index, block_number, tx_hash, token, src, dst, amount, occurrence;

-- name: of_blocks
-- The canonical transfers of some blocks that touch our addresses and have a log.
SELECT block_hash, log_index, block_number, tx_hash, token, src, dst, amount, occurrence
  FROM transfers WHERE chain_id = %(chain_id)s AND block_hash = ANY(%(block_hashes)s::bytea[]) AND canonical
   AND token <> decode(repeat('00', 20), 'hex')
 ORDER BY block_number, log_index;

-- name: record_late
-- Canonical transfers that were seen before the address they went to was stored, by a transaction of these or later
-- ones; and the oldest transaction whose addresses this statement may not see. What we sent there ourselves is stored
-- already, and no deposit: what is final of it is to be booked, and until then is looked at again, it alone. `lost`: it
-- is booked as money that left us.
WITH found AS MATERIALIZED (
    SELECT s.*
      FROM deposit_addresses d
      JOIN seen_transfers s ON s.chain_id = d.chain_id AND s.dst = d.address
     WHERE d.chain_id = %(chain_id)s AND d.stored_in >= %(since)s AND s.canonical
), late AS (
    INSERT INTO transfers (chain_id, block_hash, log_index, block_number, tx_hash, token, src, dst, amount, occurrence)
    SELECT f.chain_id, f.block_hash, f.log_index, f.number, f.tx_hash, f.token, f.src, f.dst, f.amount, f.occurrence
      FROM found f
    ON CONFLICT (chain_id, block_hash, log_index) DO NOTHING
    RETURNING block_hash
), looked AS (
    SELECT f.block_hash, f.log_index FROM found f
     UNION
    SELECT w.block_hash, w.log_index
      FROM unnest(%(waiting_in)s::bytea[], %(waiting_at)s::integer[]) AS w (block_hash, log_index)
), unbooked AS MATERIALIZED (
    SELECT t.block_hash, t.log_index, t.block_number, x.id IS NOT NULL AS lost, k.id AS token_id,
           x.id IS NULL AND (EXISTS (SELECT FROM token_suspensions s WHERE s.token_id = k.id AND s.ended_at IS NULL)
                             OR ledger.awaits_payout(t.chain_id, t.src, t.dst, k.id, t.amount)) AS waits
      FROM looked f
      JOIN transfers t ON t.chain_id = %(chain_id)s AND (t.block_hash, t.log_index) = (f.block_hash, f.log_index)
      JOIN tokens k ON k.chain_id = t.chain_id AND k.contract = t.token AND k.accepted
      LEFT JOIN ledger.booked b ON (b.chain_id, b.block_hash, b.log_index) = (t.chain_id, t.block_hash, t.log_index)
      LEFT JOIN ledger.tx x ON x.id = b.tx_id AND x.source IN ('outflow', 'payout')
                           AND NOT EXISTS (SELECT FROM ledger.tx y WHERE y.source = 'found' AND y.source_id
                                            = format('%%s/%%s/%%s', t.chain_id, encode(t.block_hash, 'hex'), t.log_index))
     WHERE t.block_number <= (SELECT c.finalized_number FROM cursors c WHERE c.chain_id = t.chain_id) AND t.canonical
       AND (t.src IN (SELECT o.address FROM own_addresses o WHERE o.chain_id = t.chain_id)
            OR EXISTS (SELECT FROM deposit_addresses d WHERE d.chain_id = t.chain_id AND d.address = t.src))
       AND (b.block_hash IS NULL OR x.id IS NOT NULL)
)
SELECT (SELECT array_agg(DISTINCT block_hash::bytea) FROM late) AS blocks,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS since,
       n.waiting_in, n.waiting_at, n.moved_in, n.moved_at, n.found_token, n.found_in, n.found_at
  FROM (SELECT array_agg(u.block_hash::bytea) AS waiting_in, array_agg(u.log_index) AS waiting_at,
               array_agg(u.block_hash::bytea) FILTER (WHERE NOT u.waits AND NOT u.lost) AS moved_in,
               array_agg(u.log_index) FILTER (WHERE NOT u.waits AND NOT u.lost) AS moved_at,
               array_agg(u.token_id) FILTER (WHERE u.lost) AS found_token,
               array_agg(u.block_hash::bytea) FILTER (WHERE u.lost) AS found_in,
               array_agg(u.log_index) FILTER (WHERE u.lost) AS found_at
          FROM (SELECT * FROM unbooked ORDER BY block_number, log_index) u) n;

-- name: orphan_above
-- Marks the canonical transfers above a height as orphaned.
UPDATE transfers SET canonical = false
 WHERE chain_id = %(chain_id)s AND block_number > %(number)s AND canonical;

-- name: orphan_seen_above
-- The same of those that touched nobody of ours.
UPDATE seen_transfers SET canonical = false
 WHERE chain_id = %(chain_id)s AND number > %(number)s AND canonical;

-- name: internal_between
-- Canonical transfers of booked tokens between two addresses of ours, in blocks after one and up to another. An own
-- address is ours after its opening: what came before is in its first balance. What is booked already stays so.
-- Those of suspended tokens wait; once resumed, they count from where the suspension began. What moved money that was
-- found late waits for it, in blocks that were final before. What a payout waits for is booked by that.
WITH ours AS (
    SELECT p.address, p.token, p.block_number AS since
      FROM openings p WHERE p.chain_id = %(chain_id)s
)
SELECT t.block_hash, t.log_index
  FROM transfers t
  JOIN tokens k ON k.chain_id = t.chain_id AND k.contract = t.token AND k.accepted
 WHERE t.chain_id = %(chain_id)s AND t.block_number <= %(upto)s AND t.canonical
   AND t.block_number > least(%(after)s, (SELECT min(d.block_number) - 1 FROM deposits d WHERE d.id = ANY(%(final)s::text[])),
                             (SELECT min(s.from_number) FROM token_suspensions s JOIN tokens r ON r.id = s.token_id
                                           WHERE r.chain_id = %(chain_id)s AND NOT s.settled AND s.ended_at IS NOT NULL))
   AND NOT EXISTS (SELECT FROM token_suspensions s WHERE s.token_id = k.id AND s.ended_at IS NULL)
   AND (EXISTS (SELECT FROM ours o WHERE (o.address, o.token) = (t.src, t.token) AND o.since < t.block_number)
        OR EXISTS (SELECT FROM deposit_addresses x WHERE x.chain_id = t.chain_id AND x.address = t.src))
   AND (EXISTS (SELECT FROM ours o WHERE (o.address, o.token) = (t.dst, t.token) AND o.since < t.block_number)
        OR EXISTS (SELECT FROM deposit_addresses x WHERE x.chain_id = t.chain_id AND x.address = t.dst))
   AND NOT EXISTS (SELECT FROM ledger.booked b
                    WHERE b.chain_id = t.chain_id AND b.block_hash = t.block_hash AND b.log_index = t.log_index)
   AND NOT ledger.awaits_payout(t.chain_id, t.src, t.dst, k.id, t.amount)
 ORDER BY t.block_number, t.log_index;

-- name: leaves
-- Whether anything may have left an address of ours in blocks after one and up to another, or of a token that was suspended
-- before: where nothing did, as in most blocks, the next statement need not be asked. Counted, so that each sender is looked
-- up in the index, and never all addresses read.
SELECT EXISTS (
    SELECT FROM transfers t
     WHERE t.chain_id = %(chain_id)s AND t.block_number <= %(upto)s AND t.canonical AND t.amount > 0
       AND t.block_number > least(%(after)s, (SELECT min(s.from_number) FROM token_suspensions s JOIN tokens r ON r.id = s.token_id
                                               WHERE r.chain_id = %(chain_id)s AND NOT s.settled AND s.ended_at IS NOT NULL))
       AND ((SELECT count(*) FROM deposit_addresses d WHERE d.chain_id = t.chain_id AND d.address = t.src) > 0
            OR t.src IN (SELECT p.address FROM openings p WHERE p.chain_id = %(chain_id)s))) AS leaves

-- name: outflows_between
-- Canonical transfers of booked tokens from an address of ours to nobody of ours, in blocks after one and up to another, by
-- transactions that no process of ours signed. As with internal ones, those of suspended tokens wait. Held: what came to
-- its deposit address before is not booked either, as while the issuer's list names it, or while its payout is not final;
-- found by deposit and by slot, as what came to an address is in no index of transfers.
SELECT t.block_hash, t.log_index, t.block_number, t.tx_hash, t.src, t.dst, t.amount, k.id AS token_id,
       EXISTS (SELECT FROM treasury_sources s WHERE s.chain_id = t.chain_id AND s.address = t.dst) AS to_source,
       EXISTS (SELECT FROM deposits i JOIN deposit_addresses d ON d.chain_id = i.chain_id AND d.address = i.dst
                WHERE i.chain_id = t.chain_id AND i.dst = t.src AND i.token = t.token AND i.state <> 'orphaned' AND i.amount > 0
                  AND (i.block_number, i.log_index) < (t.block_number, t.log_index)
                  AND NOT EXISTS (SELECT FROM ledger.booked b WHERE b.chain_id = i.chain_id AND b.block_hash = i.block_hash
                                                                AND b.log_index = i.log_index))
       OR EXISTS (SELECT FROM slots s
                    JOIN attempts a ON a.chain_id = s.chain_id AND a.wallet = s.wallet AND a.nonce = s.nonce
                    JOIN transfers i ON i.chain_id = a.chain_id AND i.tx_hash = a.tx_hash AND i.canonical
                    JOIN deposit_addresses d ON d.chain_id = i.chain_id AND d.address = i.dst
                   WHERE s.chain_id = t.chain_id AND s.kind = 'pay' AND s.state <> 'final' AND i.dst = t.src AND i.token = t.token
                     AND (i.block_number, i.log_index) < (t.block_number, t.log_index)) AS held
  FROM transfers t
  JOIN tokens k ON k.chain_id = t.chain_id AND k.contract = t.token AND k.accepted
 WHERE t.chain_id = %(chain_id)s AND t.block_number <= %(upto)s AND t.canonical AND t.amount > 0
   AND (EXISTS (SELECT FROM openings p WHERE p.chain_id = t.chain_id AND p.address = t.src AND p.token = t.token
                   AND p.block_number < t.block_number)
        OR EXISTS (SELECT FROM deposit_addresses d WHERE d.chain_id = t.chain_id AND d.address = t.src))
   AND t.block_number > least(%(after)s, (SELECT min(s.from_number) FROM token_suspensions s JOIN tokens r ON r.id = s.token_id
                                           WHERE r.chain_id = %(chain_id)s AND NOT s.settled AND s.ended_at IS NOT NULL))
   AND NOT EXISTS (SELECT FROM token_suspensions s WHERE s.token_id = k.id AND s.ended_at IS NULL)
   AND NOT EXISTS (SELECT FROM own_addresses o WHERE o.chain_id = t.chain_id AND o.address = t.dst)
   AND NOT EXISTS (SELECT FROM deposit_addresses d WHERE d.chain_id = t.chain_id AND d.address = t.dst)
   AND NOT EXISTS (SELECT FROM attempts a WHERE a.chain_id = t.chain_id AND a.tx_hash = t.tx_hash)
   AND NOT EXISTS (SELECT FROM ledger.booked b
                    WHERE b.chain_id = t.chain_id AND b.block_hash = t.block_hash AND b.log_index = t.log_index)
 ORDER BY t.block_number, t.log_index;

-- name: canonical
-- All canonical transfers of a chain, in chain order.
SELECT block_hash, log_index, block_number, tx_hash, token, src, dst, amount, occurrence
  FROM transfers WHERE chain_id = %(chain_id)s AND canonical ORDER BY block_number, log_index;

-- name: of_tx
-- The canonical transfers of one transaction that touch our addresses.
SELECT block_hash, log_index, block_number, tx_hash, token, src, dst, amount, occurrence
  FROM transfers WHERE chain_id = %(chain_id)s AND tx_hash = %(tx_hash)s AND canonical ORDER BY log_index;

-- name: touched
-- What accepted tokens logged to and from each address of ours, in blocks after one and up to another.
SELECT k.id AS token_id, m.token, m.address, sum(m.amount) AS logged,
       bool_and(a.address IS NOT NULL) AND NOT EXISTS (
           SELECT FROM deposits d WHERE d.chain_id = %(chain_id)s AND d.dst = m.address
              AND d.block_number <= %(after)s AND d.state <> 'orphaned') AS fresh
  FROM (SELECT t.token, t.dst AS address, t.amount::numeric AS amount FROM transfers t
         WHERE t.chain_id = %(chain_id)s AND t.canonical AND t.block_number > %(after)s AND t.block_number <= %(upto)s
         UNION ALL
        SELECT t.token, t.src, -t.amount::numeric FROM transfers t
         WHERE t.chain_id = %(chain_id)s AND t.canonical AND t.block_number > %(after)s AND t.block_number <= %(upto)s) m
  JOIN tokens k ON k.chain_id = %(chain_id)s AND k.contract = m.token AND k.accepted
  LEFT JOIN deposit_addresses a ON a.chain_id = %(chain_id)s AND a.address = m.address
 WHERE a.address IS NOT NULL
    OR EXISTS (SELECT FROM openings o WHERE o.chain_id = %(chain_id)s AND o.address = m.address
                  AND o.token = m.token AND o.block_number <= %(after)s)
 GROUP BY k.id, m.token, m.address
 ORDER BY k.id, m.address;

-- name: touched_late
-- As touched, of deposits up to a final height that wait to be booked: found late, or in a token that is accepted since.
-- `after`: below the lowest of them. Those that waited while a person looked at their token's balances are explained.
WITH waiting AS (
    SELECT token, dst, block_number, created_at FROM deposits
     WHERE chain_id = %(chain_id)s AND block_number <= %(upto)s AND state = 'detected'
     UNION ALL
    SELECT token, dst, block_number, created_at FROM deposits
     WHERE chain_id = %(chain_id)s AND token_id IS NULL AND state = 'finalized'
), late AS MATERIALIZED (
    SELECT DISTINCT k.id AS token_id, d.token, d.dst AS address, min(d.block_number) OVER () - 1 AS after
      FROM waiting d
      JOIN tokens k ON k.chain_id = %(chain_id)s AND k.contract = d.token AND k.accepted
     WHERE EXISTS (SELECT FROM deposit_addresses a WHERE a.chain_id = k.chain_id AND a.address = d.dst)
       AND NOT EXISTS (SELECT FROM token_suspensions s WHERE s.token_id = k.id
                          AND (s.ended_at IS NULL OR (s.cause = 'balance_mismatch' AND s.opened_at >= d.created_at)))
       AND NOT EXISTS (SELECT FROM listed_addresses l
                        WHERE (l.chain_id, l.token, l.address) = (k.chain_id, d.token, d.dst))
)
SELECT l.after, l.token_id, l.token, l.address,
       coalesce(sum(CASE WHEN t.dst = l.address THEN t.amount::numeric ELSE 0 END
                    - CASE WHEN t.src = l.address THEN t.amount::numeric ELSE 0 END), 0) AS logged,
       NOT EXISTS (SELECT FROM deposits d WHERE d.chain_id = %(chain_id)s AND d.dst = l.address
                      AND d.block_number <= l.after AND d.state <> 'orphaned') AS fresh
  FROM late l
  LEFT JOIN transfers t ON t.chain_id = %(chain_id)s AND t.canonical AND t.token = l.token
                       AND (t.dst = l.address OR t.src = l.address)
                       AND t.block_number > l.after AND t.block_number <= %(upto)s
 GROUP BY l.after, l.token_id, l.token, l.address
 ORDER BY l.token_id, l.address;

-- name: record_coin
-- Coin noticed at addresses at the end of a final block. It has no log and no transaction that we know: its place is
-- behind all logs, and the count of what was noticed there before tells one from the next.
INSERT INTO transfers (chain_id, block_hash, log_index, block_number, tx_hash, token, src, dst, amount, occurrence)
SELECT %(chain_id)s, %(block_hash)s, 1073741823 + row_number() OVER (ORDER BY n.address), %(block_number)s,
       decode(repeat('00', 32), 'hex'), decode(repeat('00', 20), 'hex'), decode(repeat('00', 20), 'hex'),
       n.address, n.amount,
       (SELECT count(*) FROM deposits d WHERE d.chain_id = %(chain_id)s AND d.dst = n.address
           AND d.token = decode(repeat('00', 20), 'hex'))
  FROM unnest(%(addresses)s::bytea[], %(amounts)s::numeric[]) AS n (address, amount);
