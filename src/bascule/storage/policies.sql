-- tables: payout_policies

-- name: set_version
-- A new version of an account's limits for a token; the newest rules.
INSERT INTO payout_policies (account_id, token_id, version, approvals_required, max_per_payout, max_per_day)
SELECT %(account_id)s, %(token_id)s, coalesce(max(version), 0) + 1, %(approvals_required)s,
       %(max_per_payout)s, %(max_per_day)s
  FROM payout_policies WHERE account_id = %(account_id)s AND token_id = %(token_id)s
RETURNING version

-- name: current
-- The limits that rule now; nothing when the account may not pay out this token.
SELECT version, approvals_required, max_per_payout, max_per_day FROM payout_policies
 WHERE account_id = %(account_id)s AND token_id = %(token_id)s
 ORDER BY version DESC LIMIT 1
