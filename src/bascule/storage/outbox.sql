-- tables: outbox

-- name: append
-- What happened, in the transaction in which it happened, numbered in the order given.
COPY outbox (event_id, account_id, type, object_id, livemode, object_version, object, previous, request, created_at)
FROM STDIN (FORMAT binary);

-- name: waiting
-- Accounts and modes with rows that have no number yet.
SELECT DISTINCT account_id, livemode FROM (
    SELECT account_id, livemode FROM outbox WHERE NOT sequenced ORDER BY id LIMIT %(window)s
) AS oldest ORDER BY account_id, livemode;

-- name: waiting_of
-- Committed rows without a number of some accounts and modes, in the order they were written: those among the oldest of
-- all, so that a long queue is not read to its end for each part of it.
SELECT id, event_id, account_id, livemode, type, object_id, object_version, object, previous, request, created_at
FROM (SELECT * FROM outbox WHERE NOT sequenced ORDER BY id LIMIT %(window)s) AS oldest
WHERE (account_id, livemode) IN (SELECT * FROM unnest(%(account_ids)s::text[], %(livemodes)s::boolean[]))
ORDER BY id LIMIT %(limit)s;

-- name: mark_sequenced
-- These rows have their numbers.
UPDATE outbox SET sequenced = true WHERE id = ANY(%(ids)s::bigint[]) AND NOT sequenced;
