-- tables: signer.anchor_limits, signer.anchors

-- name: set_version
-- A new version of what an anchor of a wallet may cost; the newest rules.
INSERT INTO signer.anchor_limits (chain_id, wallet, version, max_fee_per_gas, max_gas)
SELECT %(chain_id)s, %(wallet)s, coalesce(max(version), 0) + 1, %(max_fee_per_gas)s, %(max_gas)s
  FROM signer.anchor_limits WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s
RETURNING version

-- name: current
-- What rules now; nothing: this wallet anchors nothing.
SELECT max_fee_per_gas, max_gas FROM signer.anchor_limits
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s ORDER BY version DESC LIMIT 1

-- name: newest
-- The highest seal that was signed for from a wallet; nothing before the first.
SELECT max(seal) AS seal FROM signer.anchors WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s

-- name: serialize
-- One head at a time, whatever wallet it is of, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('heads of signer.anchors', 0))

-- name: contradicts
-- Whether another head was signed for this seal, from whatever wallet.
SELECT EXISTS (SELECT FROM signer.anchors WHERE seal = %(seal)s AND head <> %(head)s)

-- name: insert
-- What a nonce anchors, for ever.
INSERT INTO signer.anchors (chain_id, wallet, nonce, seal, head, signed_at)
VALUES (%(chain_id)s, %(wallet)s, %(nonce)s, %(seal)s, %(head)s, %(signed_at)s)
