-- tables: deliveries, delivery_attempts

-- name: insert
-- A batch of deliveries that are due at once.
INSERT INTO deliveries (id, event_id, endpoint_id, replay, next_at, created_at)
SELECT id, event_id, endpoint_id, 0, %(at)s::timestamptz, %(at)s::timestamptz
FROM unnest(%(ids)s::text[], %(event_ids)s::text[], %(endpoint_ids)s::text[]) AS new (id, event_id, endpoint_id);

-- name: insert_replay
-- The same event to the same endpoint once more.
INSERT INTO deliveries (id, event_id, endpoint_id, replay, next_at, created_at)
SELECT %(id)s, %(event_id)s, %(endpoint_id)s, max(replay) + 1, %(at)s::timestamptz, %(at)s::timestamptz
FROM deliveries WHERE event_id = %(event_id)s AND endpoint_id = %(endpoint_id)s;

-- name: wake_dispatcher
-- Tells listening dispatchers, when the transaction commits, that there is work; polling is the truth.
SELECT pg_notify('bascule_deliveries', '');

-- name: by_ids
-- Several deliveries with their events' types.
SELECT d.id, d.event_id, d.endpoint_id, d.replay, d.state, d.attempts, d.next_at, d.last_status, d.last_error,
       d.delivered_at, d.created_at, e.type AS event_type, e.account_id, e.livemode
FROM deliveries d JOIN events e ON e.id = d.event_id WHERE d.id = ANY(%(ids)s::text[]);

-- name: claim
-- Due deliveries of enabled endpoints, a few per endpoint, leased by database time so that no other worker takes them.
WITH due AS (
    SELECT d.id, coalesce(flying.n, 0)
           + row_number() OVER (PARTITION BY d.endpoint_id ORDER BY d.next_at, d.id) AS place
    FROM deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint_id
    LEFT JOIN unnest(%(flying_to)s::text[], %(flying)s::integer[]) AS flying (endpoint_id, n)
           ON flying.endpoint_id = d.endpoint_id
    WHERE d.state = 'scheduled' AND d.next_at <= %(now)s::timestamptz AND w.state = 'enabled'
      AND (d.lease_until IS NULL OR d.lease_until <= now())
), picked AS (
    SELECT d.id FROM deliveries d JOIN due USING (id)
    WHERE due.place <= %(per_endpoint)s AND d.state = 'scheduled'
      AND (d.lease_until IS NULL OR d.lease_until <= now())
    ORDER BY d.next_at, d.id LIMIT %(limit)s FOR UPDATE OF d SKIP LOCKED
)
UPDATE deliveries d SET lease_until = now() + make_interval(secs => %(lease_s)s)
FROM picked, events e, webhook_endpoints w
WHERE d.id = picked.id AND e.id = d.event_id AND w.id = d.endpoint_id
RETURNING d.id, d.event_id, d.endpoint_id, d.attempts, d.lease_until, e.body, w.url, w.livemode, w.secret,
    w.previous_secret, w.previous_expires_at;

-- name: insert_attempt
-- What one attempt met; attempts are never changed.
INSERT INTO delivery_attempts (delivery_id, n, at, status, duration_ms, error, response)
VALUES (%(delivery_id)s, %(n)s, %(at)s, %(status)s, %(duration_ms)s, %(error)s, %(response)s)
ON CONFLICT (delivery_id, n) DO NOTHING;

-- name: attempts_of
-- The attempts of some deliveries, in order.
SELECT delivery_id, n, at, status, duration_ms, error, response FROM delivery_attempts
WHERE delivery_id = ANY(%(ids)s::text[]) ORDER BY delivery_id, n;

-- name: reschedule
-- The next attempt has a time; only for the lease that made the attempt.
UPDATE deliveries SET attempts = %(attempts)s, next_at = %(next_at)s, lease_until = NULL, last_status = %(status)s,
    last_error = %(error)s
WHERE id = %(id)s AND state = 'scheduled' AND lease_until = %(lease_until)s;

-- name: advance
-- The delivery is over.
UPDATE deliveries SET state = %(to)s, attempts = %(attempts)s, lease_until = NULL, last_status = %(status)s,
    last_error = %(error)s,
    delivered_at = CASE WHEN %(to)s::text = 'delivered' THEN %(at)s::timestamptz END
WHERE id = %(id)s AND state = %(from)s AND lease_until = %(lease_until)s;

-- name: only_failing_since
-- Whether an endpoint has had something to take since a moment and has taken nothing since.
SELECT count(*) FILTER (WHERE created_at <= %(since)s) > 0
   AND count(*) FILTER (WHERE delivered_at > %(since)s) = 0 AS failing
FROM deliveries WHERE endpoint_id = %(endpoint_id)s AND (state <> 'delivered' OR delivered_at > %(since)s);
