-- tables: destinations, destination_verifications

-- name: insert
-- A new entry; no row comes back when the account has the address on that network already.
INSERT INTO destinations (id, account_id, livemode, chain_id, address, label, created_by, maker, created_at)
VALUES (%(id)s, %(account_id)s, %(livemode)s, %(chain_id)s, %(address)s, %(label)s, %(created_by)s, %(maker)s,
        %(created_at)s)
ON CONFLICT (account_id, livemode, chain_id, address) WHERE archived_at IS NULL DO NOTHING
RETURNING *, NULL::bytea AS verified_by, NULL::timestamptz AS verified_at

-- name: get
-- One entry, and who verified it.
SELECT d.*, v.approver AS verified_by, v.created_at AS verified_at
  FROM destinations AS d LEFT JOIN destination_verifications AS v ON v.destination_id = d.id
 WHERE d.id = %(id)s

-- name: of_ids
-- Several entries.
SELECT d.*, v.approver AS verified_by, v.created_at AS verified_at
  FROM destinations AS d LEFT JOIN destination_verifications AS v ON v.destination_id = d.id
 WHERE d.id = ANY (%(ids)s::text[]) ORDER BY d.id

-- name: of_addresses
-- The entries an account has now for some addresses on a network.
SELECT d.*, v.approver AS verified_by, v.created_at AS verified_at
  FROM destinations AS d LEFT JOIN destination_verifications AS v ON v.destination_id = d.id
 WHERE d.account_id = %(account_id)s AND d.livemode = %(livemode)s AND d.chain_id = %(chain_id)s
   AND d.address = ANY (%(addresses)s::bytea[]) AND d.archived_at IS NULL
 ORDER BY d.id

-- name: archive
-- Takes an entry out of the book; payouts that named it keep it.
UPDATE destinations SET archived_at = %(at)s, version = version + 1 WHERE id = %(id)s AND archived_at IS NULL

-- name: verify
-- Keeps the first verification.
INSERT INTO destination_verifications (destination_id, approver, digest, signature, created_at)
VALUES (%(destination_id)s, %(approver)s, %(digest)s, %(signature)s, %(created_at)s)
ON CONFLICT (destination_id) DO NOTHING
