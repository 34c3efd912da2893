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

-- name: newest_ids
-- The versions that rule now, one for each token that has a policy, and the one for all others.
SELECT DISTINCT ON (token_id) id FROM policies
 WHERE account_id = %(account_id)s AND livemode = %(livemode)s
 ORDER BY token_id, version DESC
