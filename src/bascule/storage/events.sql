-- tables: events, event_sequences

-- name: open_sequences
-- Counters of accounts and modes, each made at its first event; in one order, so that two who open do not deadlock.
INSERT INTO event_sequences (account_id, livemode, last)
SELECT account_id, livemode, 0 FROM unnest(%(account_ids)s::text[], %(livemodes)s::boolean[]) AS book (account_id, livemode)
WHERE NOT EXISTS (SELECT FROM event_sequences s WHERE (s.account_id, s.livemode) = (book.account_id, book.livemode))
ORDER BY account_id, livemode ON CONFLICT DO NOTHING;

-- name: hold_sequences
-- Counters, held until the transaction ends, and what their accounts are pinned to; those another sequencer holds are left out.
SELECT s.account_id, s.livemode, s.last, CASE WHEN s.livemode THEN a.live_version ELSE a.test_version END AS api_version
FROM event_sequences s JOIN accounts a ON a.id = s.account_id
WHERE (s.account_id, s.livemode) IN (SELECT * FROM unnest(%(account_ids)s::text[], %(livemodes)s::boolean[]))
FOR UPDATE OF s SKIP LOCKED;

-- name: move_sequences
-- Counters after a batch.
UPDATE event_sequences s SET last = book.last
FROM unnest(%(account_ids)s::text[], %(livemodes)s::boolean[], %(lasts)s::bigint[]) AS book (account_id, livemode, last)
WHERE (s.account_id, s.livemode) = (book.account_id, book.livemode) AND s.last < book.last;

-- name: last_of
-- An account's newest number in a mode.
SELECT last FROM event_sequences WHERE account_id = %(account_id)s AND livemode = %(livemode)s;

-- name: wake_streams
-- Tells those who follow events, when the transaction commits, that there are more; polling is the truth.
SELECT pg_notify('bascule_events', '');

-- name: insert
-- A batch of events with the exact bytes that will be signed.
COPY events (id, account_id, type, object_id, account_sequence, livemode, body, created_at) FROM STDIN;

-- name: by_ids
-- Several events.
SELECT id, account_id, account_sequence, livemode, type, object_id, body, created_at
FROM events WHERE id = ANY(%(ids)s::text[]);

-- name: after
-- An account's events of one mode after a number, in their order.
SELECT id, account_id, account_sequence, livemode, type, object_id, body, created_at
FROM events WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND account_sequence > %(after)s
ORDER BY account_sequence LIMIT %(limit)s;
