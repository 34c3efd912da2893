-- tables: webhook_endpoints

-- name: insert
-- A new endpoint with its generated secret.
INSERT INTO webhook_endpoints (id, account_id, livemode, url, enabled_events, description, bascule_signature, secret,
    created_at)
VALUES (%(id)s, %(account_id)s, %(livemode)s, %(url)s, %(enabled_events)s, %(description)s, %(bascule_signature)s,
    %(secret)s, %(created_at)s)
RETURNING *;

-- name: by_ids
-- Several endpoints.
SELECT * FROM webhook_endpoints WHERE id = ANY(%(ids)s::text[]);

-- name: lock
-- One endpoint, held until the transaction ends.
SELECT * FROM webhook_endpoints WHERE id = %(id)s FOR UPDATE;

-- name: listening
-- The endpoints of some accounts that hear of what happens.
SELECT id, account_id, livemode, enabled_events FROM webhook_endpoints
WHERE account_id = ANY(%(account_ids)s::text[]) AND state = 'enabled' ORDER BY id;

-- name: change
-- What a merchant may change of an endpoint.
UPDATE webhook_endpoints
SET url = %(url)s, enabled_events = %(enabled_events)s, description = %(description)s,
    bascule_signature = %(bascule_signature)s, version = version + 1
WHERE id = %(id)s
RETURNING *;

-- name: rotate
-- A new secret; the one before keeps signing until it expires.
UPDATE webhook_endpoints
SET previous_secret = secret, previous_expires_at = %(previous_expires_at)s, secret = %(secret)s,
    version = version + 1
WHERE id = %(id)s
RETURNING *;

-- name: note_failing
-- Endpoints that took nothing at these moments; those that fail since before `since`.
WITH failed AS (
    SELECT endpoint_id, min(at) AS at FROM unnest(%(ids)s::text[], %(ats)s::timestamptz[]) AS each (endpoint_id, at)
    GROUP BY endpoint_id
), noted AS (
    UPDATE webhook_endpoints w SET failing_since = failed.at FROM failed
    WHERE w.id = failed.endpoint_id AND w.failing_since IS NULL
)
SELECT w.id FROM webhook_endpoints w JOIN failed ON w.id = failed.endpoint_id
WHERE w.failing_since <= %(since)s::timestamptz ORDER BY w.id;

-- name: note_working
-- These endpoints took something: they do not fail.
UPDATE webhook_endpoints SET failing_since = NULL WHERE id = ANY(%(ids)s::text[]) AND failing_since IS NOT NULL;

-- name: advance
-- Enables, disables or buries an endpoint; one that is enabled again has not failed yet.
UPDATE webhook_endpoints SET state = %(to)s, version = version + 1, disabled_reason = %(reason)s,
    failing_since = CASE WHEN %(to)s::text = 'enabled' THEN NULL ELSE failing_since END
WHERE id = %(id)s AND state = %(from)s
RETURNING *;
