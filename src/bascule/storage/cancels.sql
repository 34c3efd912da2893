-- tables: payout_cancels

-- name: request
-- Somebody asks; asking again changes nothing.
INSERT INTO payout_cancels (payout_id, chain_id, requested_by, requested_at)
VALUES (%(payout_id)s, %(chain_id)s, %(requested_by)s, %(requested_at)s)
ON CONFLICT (payout_id) DO NOTHING

-- name: of_payouts
-- What became of the requests of some payouts.
SELECT payout_id, requested_at, nonce, outcome FROM payout_cancels WHERE payout_id = ANY (%(ids)s)

-- name: waiting
-- Open requests of a chain that no slot carries, the oldest first; of one vault at a time. What a request says of the
-- chain is not believed: vaults of two chains may have one address.
SELECT c.payout_id, p.vault, p.vault_id
  FROM payout_cancels AS c JOIN payouts AS p ON p.id = c.payout_id AND p.chain_id = c.chain_id
 WHERE c.chain_id = %(chain_id)s AND c.outcome = 'open' AND c.nonce IS NULL AND p.state = 'in_transit'
 ORDER BY c.requested_at, c.payout_id LIMIT %(limit)s

-- name: of_slot
-- The requests that a slot carries, by vault id, as they were when it took them.
SELECT c.payout_id, p.vault, p.vault_id
  FROM payout_cancels AS c JOIN payouts AS p ON p.id = c.payout_id
 WHERE c.chain_id = %(chain_id)s AND c.wallet = %(wallet)s AND c.nonce = %(nonce)s
 ORDER BY p.vault_id

-- name: take
-- A slot carries the request.
UPDATE payout_cancels SET wallet = %(wallet)s, nonce = %(nonce)s
 WHERE payout_id = %(payout_id)s AND outcome = 'open' AND nonce IS NULL

-- name: put_back
-- The slot did nothing: the request waits for another one.
UPDATE payout_cancels SET wallet = NULL, nonce = NULL WHERE payout_id = %(payout_id)s AND outcome = 'open'

-- name: decide
-- What became of the request; it is said once.
UPDATE payout_cancels SET outcome = %(outcome)s, decided_at = %(at)s
 WHERE payout_id = %(payout_id)s AND outcome = 'open'

-- name: decide_all
-- What became of those of some payouts' requests that are open.
UPDATE payout_cancels SET outcome = %(outcome)s, decided_at = %(at)s
 WHERE payout_id = ANY (%(payout_ids)s::text[]) AND outcome = 'open'

-- name: left_over
-- Whether the payout's last batch is final and skipped its id.
SELECT outcome = 'skipped' AS skipped FROM slot_items AS i JOIN slots AS s USING (chain_id, wallet, nonce)
 WHERE i.payout_id = %(payout_id)s ORDER BY s.created_at DESC, s.nonce DESC LIMIT 1
