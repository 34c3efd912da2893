-- tables: fee_versions
-- What was charged stands in fees, written by the posting function alone.

-- name: set_version
-- A new version of what a merchant pays in a currency, from a moment on that is not over; without one from now on.
INSERT INTO fee_versions (account_id, currency, version, bps, fixed, effective_from)
SELECT %(account_id)s, %(currency)s, coalesce(max(version), 0) + 1, %(bps)s, %(fixed)s, %(effective_from)s::timestamptz
  FROM fee_versions WHERE account_id = %(account_id)s AND currency = %(currency)s
RETURNING version, effective_from;

-- name: versions_of
-- All versions of an account, by currency, the oldest first.
SELECT currency, version, bps, fixed, effective_from, created_at FROM fee_versions
 WHERE account_id = %(account_id)s ORDER BY currency, effective_from, version;

-- name: of_deposits
-- What was charged for some deposits, with the terms it was charged by.
SELECT f.deposit_id, f.version, f.gross, f.share, f.fixed, v.bps
  FROM fees AS f JOIN fee_versions AS v ON (v.account_id, v.currency, v.version) = (f.account_id, f.currency, f.version)
 WHERE f.deposit_id = ANY (%(deposit_ids)s::text[]);
