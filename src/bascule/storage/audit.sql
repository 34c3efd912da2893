-- tables: audit_log

-- name: append
-- Lines of who did what, in the order given; the database adds its own user and time.
INSERT INTO audit_log (actor, action, object_id, details, request_id)
SELECT * FROM json_to_recordset(%(lines)s::json)
    AS l (actor text, action text, object_id text, details jsonb, request_id text);

-- name: of_object
-- What was done to an object, oldest first.
SELECT at, db_user, actor, action, object_id, details, request_id
FROM audit_log WHERE object_id = %(object_id)s ORDER BY id;

-- name: of_ids
-- Several lines, newest first.
SELECT id, at, actor, action, object_id, request_id FROM audit_log
WHERE id = ANY (%(ids)s::bigint[]) ORDER BY at DESC, id DESC;
