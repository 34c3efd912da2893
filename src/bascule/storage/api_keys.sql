-- tables: api_keys

-- name: insert
-- A new key: its HMAC and the part that may be shown, never the key.
INSERT INTO api_keys (id, account_id, kind, livemode, lookup, hmac, scopes, name, created_at, expires_at, holder)
VALUES (%(id)s, %(account_id)s, %(kind)s, %(livemode)s, %(lookup)s, %(hmac)s, %(scopes)s, %(name)s,
        %(created_at)s, %(expires_at)s, %(holder)s);

-- name: by_lookup
-- The key whose first characters these are.
SELECT id, account_id, kind, livemode, lookup, hmac, scopes, name, created_at, expires_at, revoked_at, holder
FROM api_keys WHERE lookup = %(lookup)s;

-- name: of_account
-- An account's keys, newest first.
SELECT id, account_id, kind, livemode, lookup, scopes, name, created_at, expires_at, revoked_at, holder
FROM api_keys WHERE account_id = %(account_id)s ORDER BY created_at DESC, id DESC;

-- name: revoke
-- Ends a key at once; ending it again changes nothing.
UPDATE api_keys SET revoked_at = %(at)s WHERE id = %(id)s AND account_id = %(account_id)s AND revoked_at IS NULL;

-- name: expire
-- Lets a key end at a moment, as rotation does; never later than it would anyway.
UPDATE api_keys SET expires_at = least(expires_at, %(at)s::timestamptz)
WHERE id = %(id)s AND account_id = %(account_id)s;
