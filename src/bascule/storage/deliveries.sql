-- tables: deliveries, delivery_attempts

-- name: insert
-- A batch of deliveries that are due at once.
INSERT INTO deliveries (id, event_id, endpoint_id, replay, next_at, created_at)
SELECT id, event_id, endpoint_id, 0, %(at)s::timestamptz, %(at)s::timestamptz
FROM unnest(%(ids)s::text[], %(event_ids)s::text[], %(endpoint_ids)s::text[]) AS new (id, event_id, endpoint_id);

-- name: insert_replays
-- Events to an endpoint once more, or for the first time; the endpoint is held, so that each gets a number of its own.
INSERT INTO deliveries (id, event_id, endpoint_id, replay, next_at, created_at)
SELECT new.id, new.event_id, %(endpoint_id)s, (
           SELECT coalesce(max(d.replay) + 1, 0) FROM deliveries d
           WHERE d.event_id = new.event_id AND d.endpoint_id = %(endpoint_id)s),
       %(at)s::timestamptz, %(at)s::timestamptz
FROM unnest(%(ids)s::text[], %(event_ids)s::text[]) AS new (id, event_id);

-- name: hasten
-- What waits for its next attempt at these events is due now.
UPDATE deliveries SET next_at = %(at)s::timestamptz
WHERE endpoint_id = %(endpoint_id)s AND event_id = ANY(%(event_ids)s::text[]) AND state = 'scheduled' AND next_at > %(at)s;

-- name: replayable
-- Events that an endpoint hears, in their order, and whether they wait to be sent; those it took only when wanted too.
SELECT e.id, e.account_sequence, EXISTS (
           SELECT FROM deliveries d WHERE d.event_id = e.id AND d.endpoint_id = w.id AND d.state = 'scheduled') AS waits
FROM events e JOIN webhook_endpoints w ON w.id = %(endpoint_id)s
WHERE e.account_id = w.account_id AND e.livemode = w.livemode AND e.account_sequence > %(after)s
  AND (%(until)s::bigint IS NULL OR e.account_sequence <= %(until)s)
  AND (%(since)s::timestamptz IS NULL OR e.created_at >= %(since)s)
  AND (%(before)s::timestamptz IS NULL OR e.created_at < %(before)s)
  AND w.enabled_events && ARRAY['*', e.type] AND e.type <> %(ping)s
  AND (%(delivered_too)s OR NOT EXISTS (
      SELECT FROM deliveries d WHERE d.event_id = e.id AND d.endpoint_id = w.id AND d.state = 'delivered'))
ORDER BY e.account_sequence LIMIT %(limit)s;

-- name: exhausted
-- Events whose deliveries to an endpoint all ran out of attempts, by endpoint, the oldest first.
SELECT d.endpoint_id, w.account_id, w.url, w.state, w.disabled_reason, array_agg(DISTINCT d.event_id) AS event_ids
FROM deliveries d JOIN webhook_endpoints w ON w.id = d.endpoint_id JOIN events e ON e.id = d.event_id
WHERE d.state = 'exhausted' AND w.state <> 'deleted' AND e.created_at >= %(since)s::timestamptz
  AND (%(endpoint_id)s::text IS NULL OR w.id = %(endpoint_id)s) AND (%(account_id)s::text IS NULL OR w.account_id = %(account_id)s)
  AND NOT EXISTS (SELECT FROM deliveries o WHERE o.event_id = d.event_id AND o.endpoint_id = d.endpoint_id AND o.state <> 'exhausted')
GROUP BY d.endpoint_id, w.account_id, w.url, w.state, w.disabled_reason ORDER BY d.endpoint_id;

-- name: wake_dispatcher
-- Tells listening dispatchers, when the transaction commits, that there is work; polling is the truth.
SELECT pg_notify('bascule_deliveries', '');

-- name: by_ids
-- Several deliveries with their events' types.
SELECT d.id, d.event_id, d.endpoint_id, d.replay, d.state, d.attempts, d.next_at, d.last_status, d.last_error,
       d.delivered_at, d.created_at, e.type AS event_type, e.account_id, e.livemode
FROM deliveries d JOIN events e ON e.id = d.event_id WHERE d.id = ANY(%(ids)s::text[]);

-- name: claim
-- Due deliveries of enabled endpoints, leased by database time so that no other worker takes them. Endpoints that have
-- something to be sent are found one by one in the index, after the one where the look before ended, and only until
-- there are enough: a look costs what it finds. Each gives its longest due one; a look that began with the first
-- endpoint and has room left gives a second of each before a third of any. Slow endpoints are asked one by one.
-- goes_on_after: where the next look goes on; nothing when all were asked.
WITH RECURSIVE waiting (endpoint_id) AS (
    (SELECT endpoint_id FROM deliveries WHERE state = 'scheduled' AND endpoint_id > %(after)s::text ORDER BY endpoint_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.endpoint_id FROM deliveries d WHERE d.state = 'scheduled' AND d.endpoint_id > waiting.endpoint_id
            ORDER BY d.endpoint_id LIMIT 1)
    FROM waiting WHERE waiting.endpoint_id IS NOT NULL
), firsts AS MATERIALIZED (
    SELECT waiting.endpoint_id, d.id FROM waiting CROSS JOIN LATERAL (
        SELECT d.id FROM deliveries d
        WHERE d.endpoint_id = waiting.endpoint_id AND d.state = 'scheduled' AND d.next_at <= %(now)s::timestamptz
          AND (d.lease_until IS NULL OR d.lease_until <= now())
        ORDER BY d.next_at, d.id LIMIT 1
    ) AS d
    WHERE waiting.endpoint_id <> ALL (%(others)s::text[])
      AND (SELECT w.state FROM webhook_endpoints w WHERE w.id = waiting.endpoint_id) = 'enabled'
    LIMIT %(quick)s
), seconds AS (
    SELECT d.id FROM (
        SELECT endpoint_id, 1 AS sent, 1 AS taken FROM firsts
        UNION ALL
        SELECT aloft.endpoint_id, aloft.n, 0 FROM unnest(%(aloft)s::text[], %(aloft_n)s::integer[]) AS aloft (endpoint_id, n)
        WHERE (SELECT w.state FROM webhook_endpoints w WHERE w.id = aloft.endpoint_id) = 'enabled'
    ) AS had CROSS JOIN LATERAL (
        SELECT d.id, d.next_at, had.sent - had.taken + row_number() OVER (ORDER BY d.next_at, d.id) AS place FROM deliveries d
        WHERE d.endpoint_id = had.endpoint_id AND d.state = 'scheduled' AND d.next_at <= %(now)s::timestamptz
          AND (d.lease_until IS NULL OR d.lease_until <= now())
        ORDER BY d.next_at, d.id OFFSET had.taken LIMIT %(per_endpoint)s - had.sent
    ) AS d
    WHERE %(after)s::text = '' AND (SELECT count(*) FROM firsts) < %(quick)s
    ORDER BY d.place, d.next_at LIMIT %(quick)s - (SELECT count(*) FROM firsts)
), slow AS (
    SELECT d.id FROM unnest(%(slow_endpoints)s::text[]) AS slow (endpoint_id) CROSS JOIN LATERAL (
        SELECT d.id FROM deliveries d
        WHERE d.endpoint_id = slow.endpoint_id AND d.state = 'scheduled' AND d.next_at <= %(now)s::timestamptz
          AND (d.lease_until IS NULL OR d.lease_until <= now())
        ORDER BY d.next_at, d.id LIMIT 1
    ) AS d
    WHERE (SELECT w.state FROM webhook_endpoints w WHERE w.id = slow.endpoint_id) = 'enabled'
    LIMIT %(slow)s
), picked AS (
    SELECT d.id FROM deliveries d
    WHERE d.id = ANY (ARRAY(SELECT id FROM firsts UNION ALL SELECT id FROM seconds UNION ALL SELECT id FROM slow))
      AND d.state = 'scheduled' AND (d.lease_until IS NULL OR d.lease_until <= now())
    FOR UPDATE SKIP LOCKED
)
UPDATE deliveries d SET lease_until = now() + make_interval(secs => %(lease_s)s)
FROM picked, events e, webhook_endpoints w
WHERE d.id = picked.id AND e.id = d.event_id AND w.id = d.endpoint_id
RETURNING d.id, d.event_id, d.endpoint_id, d.attempts, d.lease_until, e.body, w.url, w.livemode, w.secret,
    w.previous_secret, w.previous_expires_at, w.bascule_signature,
    (SELECT max(endpoint_id) FROM firsts HAVING count(*) = %(quick)s) AS goes_on_after;

-- name: insert_attempts
-- What attempts met; they are never changed.
INSERT INTO delivery_attempts (delivery_id, n, at, status, duration_ms, error, response)
SELECT * FROM unnest(%(delivery_ids)s::text[], %(ns)s::integer[], %(ats)s::timestamptz[], %(statuses)s::integer[],
    %(durations)s::integer[], %(errors)s::text[], %(responses)s::text[])
ON CONFLICT (delivery_id, n) DO NOTHING;

-- name: attempts_of
-- The attempts of some deliveries, in order.
SELECT delivery_id, n, at, status, duration_ms, error, response FROM delivery_attempts
WHERE delivery_id = ANY(%(ids)s::text[]) ORDER BY delivery_id, n;

-- name: reschedule
-- The next attempts have their times; only for the leases that made the attempts.
UPDATE deliveries d SET attempts = made.n, next_at = made.next_at, lease_until = NULL, last_status = made.status,
    last_error = made.error
FROM unnest(%(ids)s::text[], %(lease_untils)s::timestamptz[], %(ns)s::integer[], %(statuses)s::integer[],
    %(errors)s::text[], %(next_ats)s::timestamptz[]) AS made (id, lease_until, n, status, error, next_at)
WHERE d.id = made.id AND d.state = 'scheduled' AND d.lease_until = made.lease_until;

-- name: advance
-- Deliveries are over; only for the leases that made the attempts.
UPDATE deliveries d SET state = %(to)s, attempts = made.n, lease_until = NULL, last_status = made.status,
    last_error = made.error, delivered_at = CASE WHEN %(to)s::text = 'delivered' THEN made.at END
FROM unnest(%(ids)s::text[], %(lease_untils)s::timestamptz[], %(ns)s::integer[], %(statuses)s::integer[],
    %(errors)s::text[], %(ats)s::timestamptz[]) AS made (id, lease_until, n, status, error, at)
WHERE d.id = made.id AND d.state = %(from)s AND d.lease_until = made.lease_until;
