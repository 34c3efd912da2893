-- tables: report_runs, files, file_parts

-- name: insert
-- A run that waits for a worker.
INSERT INTO report_runs (id, account_id, livemode, type, format, since, until, requested_by, created_at)
VALUES (%(id)s, %(account_id)s, %(livemode)s, %(type)s, %(format)s, %(since)s, %(until)s, %(requested_by)s, %(created_at)s)
RETURNING *

-- name: of_ids
-- Some runs.
SELECT * FROM report_runs WHERE id = ANY (%(ids)s::text[]) ORDER BY id

-- name: waiting
-- The run that waits longest, or whose worker has not been heard of, locked.
SELECT * FROM report_runs
 WHERE state = 'pending' OR (state = 'running' AND leased_until < clock_timestamp())
 ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED

-- name: advance
-- Moves a run that is still held under this attempt from one state to another; nothing when another worker has it now.
UPDATE report_runs
   SET state = %(to)s, attempt = attempt + (%(to)s = 'running')::integer, version = version + 1, progress = %(progress)s,
       leased_until = CASE WHEN %(to)s = 'running' THEN clock_timestamp() + make_interval(secs => %(lease_s)s) END,
       reach = %(reach)s, closed = %(closed)s, rows = %(rows)s, failure = %(failure)s, finished_at = %(at)s
 WHERE id = %(id)s AND attempt = %(attempt)s AND state = %(from_)s RETURNING *

-- name: renew
-- How far it is; the lease begins again. Nothing when another worker has it now.
UPDATE report_runs SET progress = %(progress)s, leased_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
 WHERE id = %(id)s AND attempt = %(attempt)s AND state = 'running'

-- name: insert_file
-- A finished file of a run.
INSERT INTO files (id, account_id, livemode, run_id, path, media_type, size, rows, sha256, created_at)
VALUES (%(id)s, %(account_id)s, %(livemode)s, %(run_id)s, %(path)s, %(media_type)s, %(size)s, %(rows)s, %(sha256)s, %(at)s)

-- name: insert_part
-- A piece of a file.
INSERT INTO file_parts (file_id, n, content) VALUES (%(file_id)s, %(n)s, %(content)s)

-- name: files_of
-- The files of some runs, by path.
SELECT * FROM files WHERE run_id = ANY (%(run_ids)s::text[]) ORDER BY run_id, path

-- name: file
-- One file of an account.
SELECT * FROM files WHERE id = %(id)s AND account_id = %(account_id)s AND livemode = %(livemode)s

-- name: end_files
-- Files that were made before a moment and are kept still; from now on there is only what is known of them.
SELECT end_files(%(before)s, %(at)s, %(limit)s) AS ended

-- name: part
-- A piece of a file.
SELECT content FROM file_parts WHERE file_id = %(file_id)s AND n = %(n)s
