-- tables: early_policies

-- name: set_version
-- A new version of what an account's intents may do before their money is final; the newest rules.
INSERT INTO early_policies (account_id, version, most, up_to, levels)
SELECT %(account_id)s, coalesce(max(version), 0) + 1, %(most)s, %(up_to)s::numeric[], %(levels)s::text[]
  FROM early_policies WHERE account_id = %(account_id)s
RETURNING version;

-- name: current
-- What rules now, for each of some accounts; nothing for those whose intents wait until their money is final.
SELECT p.account_id, p.most, p.up_to, p.levels FROM unnest(%(account_ids)s::text[]) AS a (id) CROSS JOIN LATERAL (
    SELECT * FROM early_policies WHERE account_id = a.id ORDER BY version DESC LIMIT 1
) AS p;
