-- tables: requests

-- name: in_turn
-- Lets one writer after the other in, until its transaction ends: who has read up to a line finds every later one behind it.
-- Nobody waits for the disk; a crash of the database may cost the lines of its last moment.
SELECT pg_advisory_xact_lock(hashtextextended('order of requests', 0)) IS NULL AS waited,
       set_config('synchronous_commit', 'off', true) AS synchronous_commit;

-- name: insert
-- Lines of the log, in this order; those that are there already stay as they are.
INSERT INTO requests (id, account_id, livemode, api_key_id, method, path, status, error_code, replayed, duration_ms, left_out)
SELECT * FROM unnest(%(ids)s::text[], %(account_ids)s::text[], %(livemodes)s::boolean[], %(api_key_ids)s::text[],
                     %(methods)s::text[], %(paths)s::text[], %(statuses)s::integer[], %(error_codes)s::text[],
                     %(replays)s::boolean[], %(durations)s::integer[], %(left_outs)s::integer[])
ON CONFLICT (id) DO NOTHING;

-- name: by_ids
-- Several lines, newest first, each with the part of its key that may be shown.
SELECT r.id, r.account_id, r.livemode, r.api_key_id, k.lookup AS key_prefix, r.method, r.path, r.status, r.error_code,
       r.replayed, r.duration_ms, r.left_out, r.created_at
  FROM requests AS r LEFT JOIN api_keys AS k ON k.id = r.api_key_id
 WHERE r.id = ANY (%(ids)s::text[]) ORDER BY r.created_at DESC, r.id DESC;

-- name: forget
-- Ends the oldest lines made before a moment, at least 30 days ago; how many they were.
SELECT forget_requests(%(before)s, %(below)s, %(limit)s) AS gone;
