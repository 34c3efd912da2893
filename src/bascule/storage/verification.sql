-- tables:
-- How the invariants are asked for; each stands in a file of its noun under invariants/.

-- name: one_snapshot
-- Every check of this transaction sees the same moment, and changes nothing.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY

-- name: take_your_time
-- The books of years are read once, not within a request; to look for another order of joins takes longer than a check.
SELECT set_config('statement_timeout', '30min', true), set_config('join_collapse_limit', '1', true), set_config('from_collapse_limit', '1', true)
