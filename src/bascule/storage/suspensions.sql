-- tables: token_suspensions

-- name: open
-- Suspends a token for a cause, unless it is suspended for that cause already.
INSERT INTO token_suspensions (token_id, cause, evidence, from_number, opened_at)
VALUES (%(token_id)s, %(cause)s, %(evidence)s,
        coalesce((SELECT c.finalized_number FROM cursors c JOIN tokens k ON k.chain_id = c.chain_id
                   WHERE k.id = %(token_id)s), 0), %(opened_at)s)
ON CONFLICT (token_id, cause) WHERE ended_at IS NULL DO NOTHING
RETURNING id;

-- name: close
-- Ends the open suspensions of a token, of one cause only if it is named.
UPDATE token_suspensions SET ended_at = %(ended_at)s, ended_by = %(ended_by)s, reason = %(reason)s
 WHERE token_id = %(token_id)s AND ended_at IS NULL AND cause = coalesce(%(cause)s::text, cause)
RETURNING id, token_id, cause, evidence, opened_at;

-- name: open_now
-- Every suspension that stands, the oldest first.
SELECT id, token_id, cause, evidence, opened_at FROM token_suspensions
 WHERE ended_at IS NULL ORDER BY opened_at, id;

-- name: unsettled
-- Ended suspensions of a chain's tokens that something may still wait for.
SELECT s.id FROM token_suspensions s JOIN tokens k ON k.id = s.token_id
 WHERE k.chain_id = %(chain_id)s AND NOT s.settled AND s.ended_at IS NOT NULL;

-- name: settle
-- Of these suspensions nothing waits any more, but for tokens that are suspended again.
UPDATE token_suspensions s SET settled = true
 WHERE s.id = ANY(%(ids)s::bigint[])
   AND NOT EXISTS (SELECT FROM token_suspensions o WHERE o.token_id = s.token_id AND o.ended_at IS NULL);
