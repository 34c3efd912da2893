-- tables: signer.top_up_limits, signer.top_ups

-- name: set_version
-- A new version of how much a wallet may send to a destination of ours; the newest rules.
INSERT INTO signer.top_up_limits (chain_id, wallet, asset, destination, version, max_per_item, max_per_day,
                                  max_fee_per_gas, max_gas)
SELECT %(chain_id)s, %(wallet)s, %(asset)s, %(destination)s, coalesce(max(version), 0) + 1, %(max_per_item)s,
       %(max_per_day)s, %(max_fee_per_gas)s, %(max_gas)s
  FROM signer.top_up_limits
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND asset = %(asset)s AND destination = %(destination)s
RETURNING version

-- name: current
-- The limits that rule now; nothing: this wallet sends nothing of it there.
SELECT max_per_item, max_per_day, max_fee_per_gas, max_gas FROM signer.top_up_limits
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND asset = %(asset)s AND destination = %(destination)s
 ORDER BY version DESC LIMIT 1

-- name: highest_fee
-- The most any current limit of a wallet allows per gas; nothing: it tops nothing up.
SELECT max(l.max_fee_per_gas) AS max_fee_per_gas FROM signer.top_up_limits AS l
 WHERE l.chain_id = %(chain_id)s AND l.wallet = %(wallet)s
   AND l.version = (SELECT max(n.version) FROM signer.top_up_limits AS n
                     WHERE n.chain_id = l.chain_id AND n.wallet = l.wallet AND n.asset = l.asset
                       AND n.destination = l.destination)

-- name: insert
-- What a nonce sends, for ever.
INSERT INTO signer.top_ups (chain_id, wallet, nonce, asset, destination, amount, signed_at)
VALUES (%(chain_id)s, %(wallet)s, %(nonce)s, %(asset)s, %(destination)s, %(amount)s, %(signed_at)s)

-- name: spent_since
-- What was signed for since a moment, from a wallet to a destination.
SELECT coalesce(sum(amount), 0) AS amount FROM signer.top_ups
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND asset = %(asset)s AND destination = %(destination)s
   AND signed_at > %(since)s
