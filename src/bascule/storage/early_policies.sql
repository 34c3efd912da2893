-- tables: early_policies

-- name: set_version
-- A new version of what an account's intents may do before their money is final; the newest rules.
INSERT INTO early_policies (account_id, version, most, up_to, levels)
SELECT %(account_id)s, coalesce(max(version), 0) + 1, %(most)s, %(up_to)s::numeric[], %(levels)s::text[]
  FROM early_policies WHERE account_id = %(account_id)s
RETURNING version;

-- name: current
-- What rules now; nothing when the account's intents wait until their money is final.
SELECT most, up_to, levels FROM early_policies WHERE account_id = %(account_id)s ORDER BY version DESC LIMIT 1;
