-- tables: api_keys

-- name: insert
-- A new key: its HMAC and the part that may be shown, never the key.
INSERT INTO api_keys (id, account_id, kind, livemode, lookup, hmac, scopes, name, created_at, expires_at, holder,
                      allowed_ips, member_id)
VALUES (%(id)s, %(account_id)s, %(kind)s, %(livemode)s, %(lookup)s, %(hmac)s, %(scopes)s, %(name)s,
        %(created_at)s, %(expires_at)s, %(holder)s, %(allowed_ips)s::cidr[], %(member_id)s);

-- name: by_lookup
-- The key whose first characters these are, the version that its account is pinned to, and the word for both as they are.
SELECT k.id, k.account_id, k.kind, k.livemode, k.lookup, k.hmac, k.scopes, k.name, k.created_at, k.expires_at, k.revoked_at,
       k.holder, k.allowed_ips, k.member_id, k.last_used_at,
       CASE WHEN k.livemode THEN a.live_version ELSE a.test_version END AS api_version,
       concat_ws(' ', k.xmin, a.xmin) AS word
FROM api_keys AS k JOIN accounts AS a ON a.id = k.account_id WHERE k.lookup = %(lookup)s;

-- name: word
-- The word for the rows of a key and its account: the transactions that wrote them. None where the key has ended.
SELECT concat_ws(' ', k.xmin, a.xmin) AS word
FROM api_keys AS k JOIN accounts AS a ON a.id = k.account_id WHERE k.lookup = %(lookup)s AND k.revoked_at IS NULL;

-- name: words
-- As `word`, of many keys that have not ended, each looked up by itself: so the plan is made once.
SELECT k.lookup, k.word
  FROM jsonb_array_elements_text(%(lookups)s::jsonb) AS i (lookup)
 CROSS JOIN LATERAL (SELECT q.lookup, concat_ws(' ', q.xmin, a.xmin) AS word
                       FROM api_keys AS q JOIN accounts AS a ON a.id = q.account_id
                      WHERE q.lookup = i.lookup AND q.revoked_at IS NULL OFFSET 0) AS k;

-- name: of_account
-- An account's keys, newest first.
SELECT id, account_id, kind, livemode, lookup, scopes, name, created_at, expires_at, revoked_at, holder, allowed_ips,
       member_id, last_used_at
FROM api_keys WHERE account_id = %(account_id)s ORDER BY created_at DESC, id DESC;

-- name: of_ids
-- Several keys of whatever account.
SELECT id, account_id, kind, livemode, lookup, scopes, name, created_at, expires_at, revoked_at, holder, allowed_ips,
       member_id, last_used_at
FROM api_keys WHERE id = ANY (%(ids)s::text[]) ORDER BY created_at DESC, id DESC;

-- name: lock
-- One key, held until the transaction ends.
SELECT id, account_id, kind, livemode, lookup, scopes, name, created_at, expires_at, revoked_at, holder, allowed_ips,
       member_id, last_used_at
FROM api_keys WHERE id = %(id)s FOR NO KEY UPDATE;

-- name: used
-- Says that a key is used, once a minute at most, however many requests say so.
UPDATE api_keys SET last_used_at = %(at)s
WHERE id = %(id)s AND (last_used_at IS NULL OR last_used_at < %(at)s::timestamptz - interval '1 minute');

-- name: revoke
-- Ends a key at once; ending it again changes nothing.
UPDATE api_keys SET revoked_at = %(at)s WHERE id = %(id)s AND account_id = %(account_id)s AND revoked_at IS NULL;

-- name: revoke_of_member
-- Ends every key of a member at once.
UPDATE api_keys SET revoked_at = %(at)s WHERE member_id = %(member_id)s AND revoked_at IS NULL;

-- name: expire
-- Lets a key end at a moment, as rotation does; never later than it would anyway.
UPDATE api_keys SET expires_at = least(expires_at, %(at)s::timestamptz)
WHERE id = %(id)s AND account_id = %(account_id)s;
