-- tables: token_events

-- name: record
-- Events of a chain's accepted tokens, as canonical.
INSERT INTO token_events (chain_id, block_hash, log_index, block_number, tx_hash, token, kind, subject)
SELECT %(chain_id)s, n.block_hash, n.log_index, n.block_number, n.tx_hash, n.token, n.kind, n.subject
  FROM unnest(%(block_hashes)s::bytea[], %(log_indexes)s::integer[], %(block_numbers)s::bigint[],
              %(tx_hashes)s::bytea[], %(tokens)s::bytea[], %(kinds)s::text[], %(subjects)s::bytea[])
       AS n (block_hash, log_index, block_number, tx_hash, token, kind, subject)
ON CONFLICT (chain_id, block_hash, log_index) DO UPDATE SET canonical = true;

-- name: orphan_above
-- Events above a height leave the canonical chain; whose they were.
UPDATE token_events SET canonical = false
 WHERE chain_id = %(chain_id)s AND block_number > %(number)s AND canonical
RETURNING token;

-- name: newest_pauses
-- The newest canonical word of some tokens about being paused.
SELECT DISTINCT ON (token) block_hash, log_index, block_number, tx_hash, token, kind, subject
  FROM token_events
 WHERE chain_id = %(chain_id)s AND token = ANY(%(tokens)s::bytea[]) AND canonical
   AND kind IN ('paused', 'unpaused')
 ORDER BY token, block_number DESC, log_index DESC;

-- name: ours
-- Of some addresses those that hold money for us.
SELECT n.address FROM unnest(%(addresses)s::bytea[]) AS n (address)
 WHERE EXISTS (SELECT FROM own_addresses o WHERE o.chain_id = %(chain_id)s AND o.address = n.address)
    OR EXISTS (SELECT FROM deposit_addresses d WHERE d.chain_id = %(chain_id)s AND d.address = n.address);
