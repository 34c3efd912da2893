-- tables: signer.limits

-- name: set_version
-- A new version of the hard limits of a token in a vault; the newest rules.
INSERT INTO signer.limits (chain_id, vault, token, version, max_per_item, max_per_day, max_fee_per_gas, max_gas,
                           signatures)
SELECT %(chain_id)s, %(vault)s, %(token)s, coalesce(max(version), 0) + 1, %(max_per_item)s, %(max_per_day)s,
       %(max_fee_per_gas)s, %(max_gas)s, %(signatures)s
  FROM signer.limits WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND token = %(token)s
RETURNING version

-- name: current
-- The limits that rule now; nothing: this token is not signed for.
SELECT version, max_per_item, max_per_day, max_fee_per_gas, max_gas FROM signer.limits
 WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND token = %(token)s
 ORDER BY version DESC LIMIT 1

-- name: of_vault
-- The most any current limit of a vault allows in fees; nulls: no token of it is signed for.
SELECT max(l.max_fee_per_gas) AS max_fee_per_gas, max(l.max_gas) AS max_gas FROM signer.limits AS l
 WHERE l.chain_id = %(chain_id)s AND l.vault = %(vault)s
   AND l.version = (SELECT max(n.version) FROM signer.limits AS n
                     WHERE n.chain_id = l.chain_id AND n.vault = l.vault AND n.token = l.token)

-- name: highest_fee
-- The most any current limit of a chain allows per gas; nothing: no token of the chain is signed for.
SELECT max(l.max_fee_per_gas) AS max_fee_per_gas FROM signer.limits AS l
 WHERE l.chain_id = %(chain_id)s
   AND l.version = (SELECT max(n.version) FROM signer.limits AS n
                     WHERE n.chain_id = l.chain_id AND n.vault = l.vault AND n.token = l.token)
