-- tables: contract_events

-- name: record
-- What contracts of a chain said of themselves, as canonical.
INSERT INTO contract_events (chain_id, block_hash, log_index, block_number, tx_hash, contract, kind, subject)
SELECT %(chain_id)s, n.block_hash, n.log_index, n.block_number, n.tx_hash, n.contract, n.kind, n.subject
  FROM unnest(%(block_hashes)s::bytea[], %(log_indexes)s::integer[], %(block_numbers)s::bigint[],
              %(tx_hashes)s::bytea[], %(contracts)s::bytea[], %(kinds)s::text[], %(subjects)s::bytea[])
       AS n (block_hash, log_index, block_number, tx_hash, contract, kind, subject)
ON CONFLICT (chain_id, block_hash, log_index) DO UPDATE
   SET canonical = true, tx_hash = excluded.tx_hash, contract = excluded.contract, kind = excluded.kind,
       subject = excluded.subject;

-- name: of_blocks
-- The canonical events of some blocks.
SELECT block_hash, log_index, block_number, tx_hash, contract, kind, subject FROM contract_events
 WHERE chain_id = %(chain_id)s AND block_hash = ANY(%(block_hashes)s::bytea[]) AND canonical
 ORDER BY block_number, log_index;

-- name: orphan
-- Events that a proof does not show leave the canonical chain.
UPDATE contract_events e SET canonical = false
  FROM unnest(%(block_hashes)s::bytea[], %(log_indexes)s::integer[]) AS n (block_hash, log_index)
 WHERE e.chain_id = %(chain_id)s AND e.block_hash = n.block_hash AND e.log_index = n.log_index;

-- name: pauses_over
-- Tokens that are suspended as paused by a word of their own that no canonical word repeats, where all that was read is
-- proven and the chain is as long as when the pause was said; and the height of what ended it.
SELECT k.contract AS token, w.block_number AS ended
  FROM token_suspensions s
  JOIN tokens k ON k.id = s.token_id AND k.chain_id = %(chain_id)s
  JOIN cursors c ON c.chain_id = k.chain_id
  LEFT JOIN LATERAL (
       SELECT e.kind, e.block_number FROM contract_events e
        WHERE e.chain_id = k.chain_id AND e.contract = k.contract AND e.canonical AND e.kind IN ('paused', 'unpaused')
        ORDER BY e.block_number DESC, e.log_index DESC LIMIT 1) w ON true
 WHERE s.cause = 'paused' AND s.ended_at IS NULL AND w.kind IS DISTINCT FROM 'paused'
   AND c.next_number > (SELECT max(e.block_number) FROM contract_events e
                         WHERE e.chain_id = k.chain_id AND e.contract = k.contract AND e.kind = 'paused')
   AND NOT EXISTS (SELECT FROM blocks b
                    WHERE b.chain_id = k.chain_id AND b.canonical AND b.number > c.finalized_number
                      AND b.verified IN ('none', 'bloom'));

-- name: orphan_above
-- Events above a height leave the canonical chain; whose they were.
UPDATE contract_events SET canonical = false
 WHERE chain_id = %(chain_id)s AND block_number > %(number)s AND canonical
RETURNING contract;

-- name: newest_pauses
-- The newest canonical word of some tokens about being paused.
SELECT DISTINCT ON (contract) block_hash, log_index, block_number, tx_hash, contract, kind, subject
  FROM contract_events
 WHERE chain_id = %(chain_id)s AND contract = ANY(%(tokens)s::bytea[]) AND canonical
   AND kind IN ('paused', 'unpaused')
 ORDER BY contract, block_number DESC, log_index DESC;

-- name: ours
-- Of some addresses those that hold money for us; service: everybody's money passes them.
SELECT n.address, EXISTS (SELECT FROM own_addresses o
                           WHERE o.chain_id = %(chain_id)s AND o.address = n.address) AS service
  FROM unnest(%(addresses)s::bytea[]) AS n (address)
 WHERE EXISTS (SELECT FROM own_addresses o WHERE o.chain_id = %(chain_id)s AND o.address = n.address)
    OR EXISTS (SELECT FROM deposit_addresses d WHERE d.chain_id = %(chain_id)s AND d.address = n.address);

-- name: lists_over
-- Open breaks of a type about addresses of a chain that no issuer lists any more.
SELECT b.subject FROM breaks b
  JOIN tokens k ON k.id = split_part(b.subject, '/', 1) AND k.chain_id = %(chain_id)s
 WHERE b.type = %(type)s AND b.state = 'open'
   AND NOT EXISTS (SELECT FROM listed_addresses l
                    WHERE (l.chain_id, l.token) = (k.chain_id, k.contract)
                      AND b.subject = k.id || '/0x' || encode(l.address, 'hex'));

-- name: stop
-- Why nothing is flushed on a chain, by what its factory said last; nothing while it may be.
SELECT kind, collector, block_number, tx_hash FROM stopped_flushes WHERE chain_id = %(chain_id)s;

-- name: forget_next
-- A collector that the factory dropped is confirmed no more.
SELECT forget_unscheduled_collector(%(chain_id)s);

-- name: collectors_of_tx
-- What a transaction made factories say of their collectors.
SELECT chain_id, block_number, kind, subject AS collector, canonical FROM contract_events
 WHERE tx_hash = %(tx_hash)s AND kind IN ('scheduled', 'changed', 'unscheduled')
 ORDER BY chain_id, block_number, log_index;
