-- tables: policies

-- name: serialize
-- One new version of an account's policies at a time, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('policies of ' || %(account_id)s::text, 0))

-- name: insert
-- A new version of an account's rules for a token, or for all others; the newest rules.
INSERT INTO policies (id, account_id, livemode, token_id, version, rules, description, created_by, created_at)
SELECT %(id)s, %(account_id)s, %(livemode)s, %(token_id)s, coalesce(max(version), 0) + 1, %(rules)s, %(description)s,
       %(created_by)s, %(created_at)s
  FROM policies
 WHERE account_id = %(account_id)s AND livemode = %(livemode)s
   AND token_id IS NOT DISTINCT FROM %(token_id)s::text
RETURNING *

-- name: get
-- One version.
SELECT * FROM policies WHERE id = %(id)s

-- name: current
-- What rules an account's payouts of a token now: its own policy, else the one for all tokens.
SELECT * FROM policies
 WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND (token_id = %(token_id)s OR token_id IS NULL)
 ORDER BY token_id NULLS LAST, version DESC LIMIT 1

-- name: operators_denylist
-- The addresses on the denylist of any policy of the operator that rules now.
SELECT address FROM operators_denied WHERE livemode = %(livemode)s

-- name: ruling
-- The version that rules each of some accounts' payouts of a token now, and, in rows of their own, whom the operator denies in
-- their modes.
SELECT n.account_id, n.livemode, n.token_id, p.id, NULL AS denied
  FROM unnest(%(account_ids)s::text[], %(livemodes)s::boolean[], %(token_ids)s::text[])
       AS n (account_id, livemode, token_id)
 CROSS JOIN LATERAL (
       SELECT q.id FROM policies AS q
        WHERE q.account_id = n.account_id AND q.livemode = n.livemode AND (q.token_id = n.token_id OR q.token_id IS NULL)
        ORDER BY q.token_id NULLS LAST, q.version DESC LIMIT 1) AS p
 UNION ALL
SELECT NULL, d.livemode, NULL, NULL, d.address FROM operators_denied AS d WHERE d.livemode = ANY (%(livemodes)s::boolean[])

-- name: newest_ids
-- The versions that rule now, one for each token that has a policy, and the one for all others.
SELECT DISTINCT ON (token_id) id FROM policies
 WHERE account_id = %(account_id)s AND livemode = %(livemode)s
 ORDER BY token_id, version DESC
