-- tables: blocks, cursors

-- name: record
-- Blocks as canonical; one that was orphaned and comes back is canonical again.
INSERT INTO blocks (chain_id, hash, number, parent, block_time, verified, transfers_digest)
SELECT %(chain_id)s, n.hash, n.number, n.parent, n.block_time, n.verified, n.transfers_digest
  FROM unnest(%(hashes)s::bytea[], %(numbers)s::bigint[], %(parents)s::bytea[], %(times)s::timestamptz[],
              %(verified)s::text[], %(digests)s::bytea[])
       AS n (hash, number, parent, block_time, verified, transfers_digest)
ON CONFLICT (chain_id, hash) DO UPDATE
   SET canonical = true, verified = excluded.verified, transfers_digest = excluded.transfers_digest;

-- name: orphan_above
-- Marks the canonical blocks above a height as orphaned.
UPDATE blocks SET canonical = false
 WHERE chain_id = %(chain_id)s AND number > %(number)s AND canonical;

-- name: canonical_at
-- The canonical block at a height.
SELECT number, hash, parent, extract(epoch FROM block_time)::bigint AS time
  FROM blocks WHERE chain_id = %(chain_id)s AND number = %(number)s AND canonical;

-- name: first
-- The lowest canonical block.
SELECT min(number) AS number FROM blocks WHERE chain_id = %(chain_id)s AND canonical;

-- name: last_before
-- The newest canonical block that is not later than a moment.
SELECT number FROM blocks WHERE chain_id = %(chain_id)s AND canonical AND block_time <= %(moment)s ORDER BY number DESC LIMIT 1;

-- name: canonical_between
-- The canonical blocks from one height to another, with what was read in them.
SELECT number, hash, parent, extract(epoch FROM block_time)::bigint AS time, verified, transfers_digest
  FROM blocks WHERE chain_id = %(chain_id)s AND number BETWEEN %(first)s AND %(last)s AND canonical ORDER BY number;

-- name: hold_cursor
-- Nobody moves this cursor before the transaction ends.
SELECT finalized_number FROM cursors WHERE chain_id = %(chain_id)s AND halted_reason IS NULL FOR UPDATE;

-- name: unproven
-- The lowest canonical blocks behind the first one that nothing proves complete yet.
SELECT b.number, b.hash, b.parent, extract(epoch FROM b.block_time)::bigint AS time, b.transfers_digest
  FROM blocks b JOIN cursors c ON c.chain_id = b.chain_id
 WHERE b.chain_id = %(chain_id)s AND b.canonical AND b.verified IN ('none', 'bloom') AND b.number > c.finalized_number
 ORDER BY b.number LIMIT %(most)s;

-- name: prove
-- Marks canonical blocks as proven.
UPDATE blocks SET verified = %(verified)s
 WHERE chain_id = %(chain_id)s AND hash = ANY(%(hashes)s::bytea[]) AND canonical;

-- name: cursor
-- How far a chain was read.
SELECT chain_id, next_number, last_hash, head_time, finalized_number, finalized_hash, halted_reason,
       disputed_number, halts
  FROM cursors WHERE chain_id = %(chain_id)s;

-- name: cursors
-- How far each chain was read.
SELECT chain_id, next_number, last_hash, head_time, finalized_number, finalized_hash, halted_reason,
       disputed_number, halts
  FROM cursors ORDER BY chain_id;

-- name: start_cursor
-- The cursor of a chain that is read for the first time, behind its first block.
INSERT INTO cursors (chain_id, next_number, last_hash, head_time, finalized_number, finalized_hash)
VALUES (%(chain_id)s, %(number)s + 1, %(hash)s, %(head_time)s, %(number)s, %(hash)s);

-- name: move_cursor
-- Moves the cursor, if it stands where it was read, what it leaves is not final, and the chain is not halted.
UPDATE cursors
   SET next_number = %(next_number)s, last_hash = %(last_hash)s, head_time = %(head_time)s, updated_at = now()
 WHERE chain_id = %(chain_id)s AND last_hash = %(expected_hash)s AND finalized_number < %(next_number)s
   AND halted_reason IS NULL;

-- name: finalize
-- Raises the finalized height, if the block is canonical, it and all below it are proven, and nothing is halted.
UPDATE cursors
   SET finalized_number = %(number)s, finalized_hash = %(hash)s, updated_at = now()
 WHERE chain_id = %(chain_id)s AND finalized_number = %(expected_number)s AND next_number > %(number)s
   AND halted_reason IS NULL
   AND EXISTS (SELECT FROM blocks b WHERE b.chain_id = %(chain_id)s AND b.hash = %(hash)s
                  AND b.number = %(number)s AND b.canonical)
   AND NOT EXISTS (SELECT FROM blocks b WHERE b.chain_id = %(chain_id)s AND b.number <= %(number)s
                      AND b.number > %(expected_number)s AND b.canonical AND b.verified IN ('none', 'bloom'));

-- name: count_reorg
-- One more reorganisation was read.
UPDATE cursors SET reorgs = reorgs + 1 WHERE chain_id = %(chain_id)s;

-- name: told
-- What the operator is told of a chain, and a version that grew with each halt, each end of one, and each reorganisation.
SELECT halted_reason, 2 * halts - CASE WHEN halted_reason IS NULL THEN 0 ELSE 1 END + reorgs AS version
  FROM cursors WHERE chain_id = %(chain_id)s;

-- name: halt
-- Latches why the chain is halted; the first reason stays.
UPDATE cursors SET halted_reason = %(reason)s, disputed_number = %(disputed)s, halts = halts + 1, updated_at = now()
 WHERE chain_id = %(chain_id)s AND halted_reason IS NULL;

-- name: resume
-- Lifts one halt; a later one stays.
UPDATE cursors SET halted_reason = NULL, disputed_number = NULL, updated_at = now()
 WHERE chain_id = %(chain_id)s AND halts = %(halts)s AND halted_reason IS NOT NULL;
