-- tables: outbox

-- name: append
-- What happened, in the transaction in which it happened, numbered in the order given.
COPY outbox (event_id, account_id, type, object_id, livemode, object_version, object, previous, request, created_at)
FROM STDIN;

-- name: waiting_accounts
-- Accounts with rows that have no number yet, the longest waiting first.
SELECT account_id FROM (
    SELECT account_id, id FROM outbox WHERE NOT sequenced ORDER BY id LIMIT %(window)s
) AS oldest GROUP BY account_id ORDER BY min(id);

-- name: waiting_of
-- An account's committed rows without a number, in the order they were written.
SELECT id, event_id, account_id, livemode, type, object_id, object_version, object, previous, request, created_at
FROM outbox WHERE NOT sequenced AND account_id = %(account_id)s ORDER BY id LIMIT %(limit)s;

-- name: mark_sequenced
-- These rows have their numbers.
UPDATE outbox SET sequenced = true WHERE id = ANY(%(ids)s::bigint[]) AND NOT sequenced;
