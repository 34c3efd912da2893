-- tables: members

-- name: insert
-- A new member; no row comes back when the account has somebody with the address already.
INSERT INTO members (id, account_id, livemode, email, name, roles, approver, created_at)
VALUES (%(id)s, %(account_id)s, %(livemode)s, %(email)s, %(name)s, %(roles)s, %(approver)s, %(created_at)s)
ON CONFLICT (account_id, livemode, lower(email)) WHERE removed_at IS NULL DO NOTHING
RETURNING *;

-- name: lock
-- One member, held until the transaction ends.
SELECT * FROM members WHERE id = %(id)s FOR NO KEY UPDATE;

-- name: lock_owners
-- The owners of an account in one mode, all held until the transaction ends; in one order for everybody.
SELECT id FROM members WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND removed_at IS NULL AND 'owner' = ANY (roles)
 ORDER BY id FOR NO KEY UPDATE;

-- name: of_ids
-- Several members, newest first.
SELECT * FROM members WHERE id = ANY (%(ids)s::text[]) ORDER BY created_at DESC, id DESC;

-- name: update
-- What a member is called and may do.
UPDATE members SET name = %(name)s, roles = %(roles)s, version = version + 1 WHERE id = %(id)s RETURNING *;

-- name: remove
-- A member is one no more; the row stays, for what they did.
UPDATE members SET removed_at = %(at)s, version = version + 1 WHERE id = %(id)s AND removed_at IS NULL;
