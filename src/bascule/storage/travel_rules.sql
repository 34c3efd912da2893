-- tables: travel_rules

-- name: newest
-- What was said last of an object.
SELECT * FROM travel_rules WHERE object_id = %(object_id)s ORDER BY version DESC LIMIT 1

-- name: insert
-- What is said now; no row comes back when somebody else said something just before.
INSERT INTO travel_rules (object_id, version, account_id, livemode, originator, beneficiary, recorded_by, created_at)
VALUES (%(object_id)s, %(version)s, %(account_id)s, %(livemode)s, %(originator)s, %(beneficiary)s, %(recorded_by)s, %(created_at)s)
ON CONFLICT (object_id, version) DO NOTHING
RETURNING *
