-- tables: collector_events

-- name: record
-- What factories said of their collector, as canonical.
INSERT INTO collector_events (chain_id, block_hash, log_index, block_number, tx_hash, factory, kind, collector)
SELECT %(chain_id)s, n.block_hash, n.log_index, n.block_number, n.tx_hash, n.factory, n.kind, n.collector
  FROM unnest(%(block_hashes)s::bytea[], %(log_indexes)s::integer[], %(block_numbers)s::bigint[],
              %(tx_hashes)s::bytea[], %(factories)s::bytea[], %(kinds)s::text[], %(collectors)s::bytea[])
       AS n (block_hash, log_index, block_number, tx_hash, factory, kind, collector)
ON CONFLICT (chain_id, block_hash, log_index) DO UPDATE SET canonical = true;

-- name: orphan_above
-- What was said above a height leaves the canonical chain.
UPDATE collector_events SET canonical = false
 WHERE chain_id = %(chain_id)s AND block_number > %(number)s AND canonical;

-- name: stop
-- Why nothing is flushed on a chain, by what its factory said last; nothing while it may be.
SELECT kind, collector, block_number, tx_hash FROM stopped_flushes WHERE chain_id = %(chain_id)s;

-- name: of_tx
-- What a transaction made factories say.
SELECT chain_id, block_number, kind, collector, canonical FROM collector_events
 WHERE tx_hash = %(tx_hash)s ORDER BY chain_id, block_number, log_index;
