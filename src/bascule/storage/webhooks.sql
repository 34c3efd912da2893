-- tables: webhook_endpoints

-- name: insert
-- A new endpoint with its generated secret.
INSERT INTO webhook_endpoints (id, account_id, livemode, url, enabled_events, description, secret, created_at)
VALUES (%(id)s, %(account_id)s, %(livemode)s, %(url)s, %(enabled_events)s, %(description)s, %(secret)s,
    %(created_at)s)
RETURNING *;

-- name: by_ids
-- Several endpoints.
SELECT * FROM webhook_endpoints WHERE id = ANY(%(ids)s::text[]);

-- name: lock
-- One endpoint, held until the transaction ends.
SELECT * FROM webhook_endpoints WHERE id = %(id)s FOR UPDATE;

-- name: listening
-- The endpoints of an account that hear of what happens.
SELECT id, livemode, enabled_events FROM webhook_endpoints
WHERE account_id = %(account_id)s AND state = 'enabled' ORDER BY id;

-- name: change
-- What a merchant may change of an endpoint.
UPDATE webhook_endpoints
SET url = %(url)s, enabled_events = %(enabled_events)s, description = %(description)s, version = version + 1
WHERE id = %(id)s
RETURNING *;

-- name: rotate
-- A new secret; the one before keeps signing until it expires.
UPDATE webhook_endpoints
SET previous_secret = secret, previous_expires_at = %(previous_expires_at)s, secret = %(secret)s,
    version = version + 1
WHERE id = %(id)s
RETURNING *;

-- name: advance
-- Enables, disables or buries an endpoint.
UPDATE webhook_endpoints SET state = %(to)s, version = version + 1
WHERE id = %(id)s AND state = %(from)s
RETURNING *;
