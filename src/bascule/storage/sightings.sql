-- tables: sightings

-- name: record
-- The newest block that the nodes showed.
INSERT INTO sightings (chain_id, head_number, head_time, seen_at)
VALUES (%(chain_id)s, %(head_number)s, %(head_time)s, %(seen_at)s)
ON CONFLICT (chain_id) DO UPDATE
   SET head_number = excluded.head_number, head_time = excluded.head_time, seen_at = excluded.seen_at;
