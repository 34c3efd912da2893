-- tables: reconciliation_runs

-- name: insert
-- A run that is asked for.
INSERT INTO reconciliation_runs (id, livemode, chain_id, requested_by, created_at)
VALUES (%(id)s, %(livemode)s, %(chain_id)s, %(requested_by)s, %(created_at)s);

-- name: waiting
-- The runs that nobody has finished, the oldest first.
SELECT * FROM reconciliation_runs WHERE finished_at IS NULL ORDER BY created_at, id LIMIT 100;

-- name: finish
-- What a run found, unless somebody else was faster.
UPDATE reconciliation_runs
   SET finished_at = %(finished_at)s, compared = %(compared)s, uneven = %(uneven)s, opened = %(opened)s, ended = %(ended)s,
       unanswered = %(unanswered)s
 WHERE id = %(id)s AND finished_at IS NULL
RETURNING *;

-- name: newest
-- The newest runs, the last one first.
SELECT * FROM reconciliation_runs ORDER BY created_at DESC, id DESC LIMIT 20;

-- name: several
-- Runs by their ids.
SELECT * FROM reconciliation_runs WHERE id = ANY(%(ids)s);
