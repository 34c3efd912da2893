-- tables: payout_approvals, approvers

-- name: add_approver
-- Names a person of an account's roster, as the API sees it.
INSERT INTO approvers (account_id, address, roster_version, name)
VALUES (%(account_id)s, %(address)s, %(roster_version)s, %(name)s)
ON CONFLICT (account_id, roster_version, address) DO NOTHING

-- name: roster_version
-- The current roster of an account; nothing when it never had one.
SELECT max(roster_version) AS version FROM approvers WHERE account_id = %(account_id)s

-- name: is_approver
-- Whether an address stands in one roster of an account.
SELECT EXISTS (SELECT 1 FROM approvers
                WHERE account_id = %(account_id)s AND roster_version = %(roster_version)s
                  AND address = %(address)s) AS approver

-- name: roster
-- The people of one roster.
SELECT address, name FROM approvers
 WHERE account_id = %(account_id)s AND roster_version = %(roster_version)s
 ORDER BY address

-- name: insert
-- Keeps a signature; a second one of the same approver for the same text changes nothing.
INSERT INTO payout_approvals (payout_id, approver, digest, signature)
VALUES (%(payout_id)s, %(approver)s, %(digest)s, %(signature)s)
ON CONFLICT (payout_id, digest, approver) DO NOTHING

-- name: of_round
-- The signatures under one text, in the order they came.
SELECT approver, digest, signature, created_at FROM payout_approvals
 WHERE payout_id = %(payout_id)s AND digest = %(digest)s
 ORDER BY created_at, approver

-- name: of_payouts
-- Every signature given for some payouts, under whatever text, in the order they came.
SELECT payout_id, approver, digest, signature, created_at FROM payout_approvals
 WHERE payout_id = ANY (%(payout_ids)s::text[])
 ORDER BY payout_id, created_at, approver
