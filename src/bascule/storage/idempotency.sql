-- tables: idempotency_keys

-- name: try_lock
-- Takes a key until the transaction ends, without waiting; false: another request holds it.
SELECT pg_try_advisory_xact_lock(hashtextextended(%(scope)s::text, 0)) AS locked;

-- name: by_key
-- The stored answer of a key.
SELECT fingerprint, status, body FROM idempotency_keys
WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND key = %(key)s;

-- name: insert
-- Stores an answer, in the transaction of its effect.
INSERT INTO idempotency_keys (account_id, livemode, key, fingerprint, status, body, created_at)
VALUES (%(account_id)s, %(livemode)s, %(key)s, %(fingerprint)s, %(status)s, %(body)s, %(created_at)s);

-- name: forget
-- Ends the oldest keys made before a moment, at least 30 days ago; how many they were.
SELECT forget_answers(%(before)s, %(limit)s) AS gone;
