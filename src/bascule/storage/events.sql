-- tables: events, event_sequences

-- name: open_sequence
-- The counter of an account, made at its first event.
INSERT INTO event_sequences (account_id, last) VALUES (%(account_id)s, 0) ON CONFLICT (account_id) DO NOTHING;

-- name: hold_sequence
-- The counter, held until the transaction ends; no row: another sequencer holds it.
SELECT last FROM event_sequences WHERE account_id = %(account_id)s FOR UPDATE SKIP LOCKED;

-- name: move_sequence
-- The counter after a batch.
UPDATE event_sequences SET last = %(last)s WHERE account_id = %(account_id)s AND last < %(last)s;

-- name: insert
-- A batch of events with the exact bytes that will be signed.
INSERT INTO events (id, account_id, account_sequence, livemode, type, object_id, body, created_at)
SELECT * FROM unnest(%(ids)s::text[], %(account_ids)s::text[], %(sequences)s::bigint[], %(livemodes)s::boolean[],
    %(types)s::text[], %(object_ids)s::text[], %(bodies)s::bytea[], %(created_ats)s::timestamptz[]);

-- name: by_ids
-- Several events.
SELECT id, account_id, account_sequence, livemode, type, object_id, body, created_at
FROM events WHERE id = ANY(%(ids)s::text[]);
