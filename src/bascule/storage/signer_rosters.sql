-- tables: signer.rosters, signer.roster_members, signer.genesis

-- name: serialize
-- One change of what the signer obeys at a time, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('signer authority', 0))

-- name: begin
-- Names the operator's account and the vault in whose domain rosters are signed; only the first one counts.
INSERT INTO signer.genesis (account_id, chain_id, vault) VALUES (%(account_id)s, %(chain_id)s, %(vault)s)
ON CONFLICT DO NOTHING

-- name: genesis
-- The operator's account and the vault in whose domain rosters are signed.
SELECT account_id, chain_id, vault FROM signer.genesis

-- name: add
-- A version of who approves for an account, and how many of them it takes.
INSERT INTO signer.rosters (account_id, version, threshold, signatures)
VALUES (%(account_id)s, %(version)s, %(threshold)s, %(signatures)s)

-- name: add_member
-- One approver of a version.
INSERT INTO signer.roster_members (account_id, version, address)
VALUES (%(account_id)s, %(version)s, %(address)s)

-- name: current
-- The newest versions of several accounts' rosters, one row per member.
SELECT r.account_id, r.version, r.threshold, m.address
  FROM signer.rosters AS r JOIN signer.roster_members AS m USING (account_id, version)
 WHERE r.account_id = ANY (%(account_ids)s::text[])
   AND r.version = (SELECT max(n.version) FROM signer.rosters AS n WHERE n.account_id = r.account_id)
 ORDER BY r.account_id, m.address
