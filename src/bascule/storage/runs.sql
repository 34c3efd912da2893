-- tables: runs

-- name: claim
-- Makes a due run ours, unless somebody was faster.
INSERT INTO runs (name, due_at) VALUES (%(name)s, %(due_at)s) ON CONFLICT DO NOTHING;

-- name: finish
-- Notes that a claimed run ended well.
UPDATE runs SET finished_at = %(at)s WHERE name = %(name)s AND due_at = %(due_at)s;
