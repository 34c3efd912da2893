-- tables: audit_log

-- name: append
-- One line of who did what; the database adds its own user and time.
INSERT INTO audit_log (actor, action, object_id, details, request_id)
VALUES (%(actor)s, %(action)s, %(object_id)s, %(details)s, %(request_id)s);

-- name: of_object
-- What was done to an object, oldest first.
SELECT at, db_user, actor, action, object_id, details, request_id
FROM audit_log WHERE object_id = %(object_id)s ORDER BY id;

-- name: of_ids
-- Several lines, newest first.
SELECT id, at, actor, action, object_id, request_id FROM audit_log
WHERE id = ANY (%(ids)s::bigint[]) ORDER BY at DESC, id DESC;
