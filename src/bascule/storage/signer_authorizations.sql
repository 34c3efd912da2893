-- tables: signer.authorization_limits, signer.authorizations

-- name: set_version
-- A new version of what a wallet may present, and at which cost; the newest rules.
INSERT INTO signer.authorization_limits (chain_id, wallet, version, tokens, max_fee_per_gas, max_gas, max_per_day)
SELECT %(chain_id)s, %(wallet)s, coalesce(max(version), 0) + 1, %(tokens)s::bytea[], %(max_fee_per_gas)s, %(max_gas)s, %(max_per_day)s
  FROM signer.authorization_limits WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s
RETURNING version

-- name: current
-- What rules now; nothing: this wallet presents nothing.
SELECT tokens, max_fee_per_gas, max_gas, max_per_day FROM signer.authorization_limits
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s ORDER BY version DESC LIMIT 1

-- name: spent_since
-- Wei that what was signed since then may cost at the most.
SELECT coalesce(sum(cost), 0) AS spent FROM signer.authorizations
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND signed_at > %(since)s

-- name: insert
-- What a nonce presents, for ever.
INSERT INTO signer.authorizations (chain_id, wallet, nonce, token, payer, payers_nonce, cost, signed_at)
VALUES (%(chain_id)s, %(wallet)s, %(nonce)s, %(token)s, %(payer)s, %(payers_nonce)s, %(cost)s, %(signed_at)s)
