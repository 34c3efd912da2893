-- tables: signer.flush_limits

-- name: set_version
-- A new version of the hard limits of flushes of a token by a factory; the newest rules.
INSERT INTO signer.flush_limits (chain_id, factory, token, version, max_fee_per_gas, max_gas, max_addresses)
SELECT %(chain_id)s, %(factory)s, %(token)s, coalesce(max(version), 0) + 1, %(max_fee_per_gas)s, %(max_gas)s,
       %(max_addresses)s
  FROM signer.flush_limits WHERE chain_id = %(chain_id)s AND factory = %(factory)s AND token = %(token)s
RETURNING version

-- name: current
-- The limits that rule now; nothing: this factory or token is not signed for.
SELECT max_fee_per_gas, max_gas, max_addresses FROM signer.flush_limits
 WHERE chain_id = %(chain_id)s AND factory = %(factory)s AND token = %(token)s
 ORDER BY version DESC LIMIT 1

-- name: highest_fee
-- The most any current limit of a chain allows per gas; nothing: no flush on the chain is signed for.
SELECT max(l.max_fee_per_gas) AS max_fee_per_gas FROM signer.flush_limits AS l
 WHERE l.chain_id = %(chain_id)s
   AND l.version = (SELECT max(n.version) FROM signer.flush_limits AS n
                     WHERE n.chain_id = l.chain_id AND n.factory = l.factory AND n.token = l.token)
