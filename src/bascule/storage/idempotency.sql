-- tables: idempotency_keys

-- name: try_lock
-- Takes keys until the transaction ends, without waiting; those it took, others are held by another request.
SELECT s.place FROM unnest(%(scopes)s::text[]) WITH ORDINALITY AS s (scope, place)
 WHERE pg_try_advisory_xact_lock(hashtextextended(s.scope, 0));

-- name: by_key
-- The stored answers of some keys, each looked up by itself however few there were when this was planned.
SELECT s.place, k.fingerprint, k.status, k.body, k.version
  FROM unnest(%(account_ids)s::text[], %(livemodes)s::boolean[], %(keys)s::text[]) WITH ORDINALITY
       AS s (account_id, livemode, key, place)
 CROSS JOIN LATERAL (
    SELECT fingerprint, status, body, version FROM idempotency_keys i
     WHERE i.account_id = s.account_id AND i.livemode = s.livemode AND i.key = s.key LIMIT 1
) AS k;

-- name: insert
-- Stores answers, in the transaction of their effects.
INSERT INTO idempotency_keys (account_id, livemode, key, fingerprint, status, body, version, created_at)
SELECT s.*, %(created_at)s
  FROM unnest(%(account_ids)s::text[], %(livemodes)s::boolean[], %(keys)s::text[], %(fingerprints)s::bytea[],
              %(statuses)s::integer[], %(bodies)s::bytea[],
              %(versions)s::text[]) AS s;

-- name: forget
-- Ends the oldest keys made before a moment, at least 30 days ago; how many they were.
SELECT forget_answers(%(before)s, %(limit)s) AS gone;
