-- tables: attempts

-- name: insert
-- Signed bytes, kept before any node sees them; the same bytes again change nothing, and no row comes back.
INSERT INTO attempts (tx_hash, chain_id, wallet, nonce, raw, max_fee_per_gas, max_priority_fee_per_gas, gas,
                      created_at)
VALUES (%(tx_hash)s, %(chain_id)s, %(wallet)s, %(nonce)s, %(raw)s, %(max_fee_per_gas)s, %(max_priority_fee_per_gas)s,
        %(gas)s, %(created_at)s)
ON CONFLICT (tx_hash) DO NOTHING
RETURNING *

-- name: of_slot
-- Every attempt of a slot, dearest first.
SELECT * FROM attempts WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s
 ORDER BY max_fee_per_gas DESC

-- name: of_payouts
-- Every attempt to pay some payouts, oldest slot first, within a slot the dearest first.
SELECT i.payout_id, a.*
  FROM slot_items AS i
  JOIN slots AS s USING (chain_id, wallet, nonce)
  JOIN attempts AS a USING (chain_id, wallet, nonce)
 WHERE i.payout_id = ANY (%(payout_ids)s::text[])
 ORDER BY s.created_at, s.nonce, a.max_fee_per_gas DESC

-- name: lock
-- One attempt, locked until the transaction ends.
SELECT * FROM attempts WHERE tx_hash = %(tx_hash)s FOR UPDATE

-- name: get
-- One attempt.
SELECT * FROM attempts WHERE tx_hash = %(tx_hash)s

-- name: advance
-- Moves an attempt that is in no block from one state to another.
UPDATE attempts SET state = %(to)s WHERE tx_hash = %(tx_hash)s AND state = %(from_)s

-- name: advance_to_offered
-- A node was offered the bytes, or the block they were in is orphaned.
UPDATE attempts
   SET state = 'offered', offered_at = %(at)s, block_hash = NULL, block_number = NULL, succeeded = NULL, fee_paid = NULL
 WHERE tx_hash = %(tx_hash)s AND state IN ('signed', 'mined')

-- name: advance_to_mined
-- The bytes are in a canonical block, with this result.
UPDATE attempts
   SET state = 'mined', block_hash = %(block_hash)s, block_number = %(block_number)s, succeeded = %(succeeded)s,
       fee_paid = %(fee_paid)s, offered_at = coalesce(offered_at, created_at)
 WHERE tx_hash = %(tx_hash)s AND state IN ('signed', 'offered')

-- name: gas_to_book
-- Final attempts whose fee is not in the journal yet.
SELECT a.tx_hash FROM attempts AS a
 WHERE a.chain_id = %(chain_id)s AND a.wallet = %(wallet)s AND a.state = 'final' AND a.fee_paid > 0
   AND NOT EXISTS (SELECT 1 FROM ledger.tx AS t WHERE t.kind = 'gas' AND t.source_id = encode(a.tx_hash, 'hex'))
 ORDER BY a.block_number LIMIT 100

-- name: final_up_to
-- The newest block in which a transaction of a wallet is final.
SELECT coalesce(max(block_number), 0) AS number FROM attempts
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND state = 'final'

-- name: signed_up_to
-- The highest nonce of a wallet of which signed bytes are kept, below one.
SELECT coalesce(max(nonce), -1) AS nonce FROM attempts
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce < %(below)s

-- name: final_below
-- The wallet's newest final transaction before a nonce.
SELECT tx_hash FROM attempts
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce < %(nonce)s AND state = 'final'
 ORDER BY nonce DESC LIMIT 1
