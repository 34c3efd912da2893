-- tables: slots, slot_items

-- name: insert_pay
-- A batch owns a nonce from now on, and payouts stand in it, each at its bit.
WITH slot AS (
    INSERT INTO slots (chain_id, wallet, nonce, kind, state, epoch, vault, lane, token, word, expected_head, deadline,
                       max_fee_per_gas, max_priority_fee_per_gas, gas, total)
    VALUES (%(chain_id)s, %(wallet)s, %(nonce)s, 'pay', 'reserved', %(epoch)s, %(vault)s, %(lane)s, %(token)s, %(word)s,
            %(expected_head)s, %(deadline)s, %(max_fee_per_gas)s, %(max_priority_fee_per_gas)s, %(gas)s, %(total)s)
    RETURNING chain_id, wallet, nonce
)
INSERT INTO slot_items (chain_id, wallet, nonce, position, payout_id)
SELECT s.chain_id, s.wallet, s.nonce, n.position, n.payout_id
  FROM slot AS s CROSS JOIN unnest(%(positions)s::integer[], %(payout_ids)s::text[]) AS n (position, payout_id)

-- name: insert_service
-- A call of a service wallet owns a nonce from now on.
INSERT INTO slots (chain_id, wallet, nonce, kind, state, epoch, max_fee_per_gas, max_priority_fee_per_gas, gas)
VALUES (%(chain_id)s, %(wallet)s, %(nonce)s, 'service', 'reserved', %(epoch)s, %(max_fee_per_gas)s,
        %(max_priority_fee_per_gas)s, %(gas)s)

-- name: unfinished
-- The slots of a wallet whose nonce is not consumed for ever, lowest first.
SELECT * FROM slots WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND state <> 'final' ORDER BY nonce

-- name: restless
-- As `unfinished`, without those that are in a canonical block which is not final yet: there is nothing to do.
SELECT s.* FROM slots AS s
 WHERE s.chain_id = %(chain_id)s AND s.wallet = %(wallet)s AND s.state <> 'final'
   AND NOT (s.state = 'mined' AND EXISTS (
       SELECT FROM attempts AS t
         JOIN blocks AS b ON (b.chain_id, b.hash) = (t.chain_id, t.block_hash) AND b.canonical
         JOIN cursors AS c ON c.chain_id = t.chain_id AND c.finalized_number < b.number
        WHERE (t.chain_id, t.wallet, t.nonce) = (s.chain_id, s.wallet, s.nonce) AND t.state = 'mined'))
 ORDER BY s.nonce

-- name: lock
-- One slot, locked until the transaction ends.
SELECT * FROM slots WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s FOR UPDATE

-- name: get
-- One slot.
SELECT * FROM slots WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s

-- name: items
-- The payouts of a slot by their bit.
SELECT position, payout_id, outcome FROM slot_items
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s ORDER BY position

-- name: of_payout
-- The slots a payout ever stood in, oldest first.
SELECT s.* FROM slots AS s JOIN slot_items AS i USING (chain_id, wallet, nonce)
 WHERE i.payout_id = %(payout_id)s ORDER BY s.created_at, s.nonce

-- name: advance
-- Moves a slot from one state to another.
UPDATE slots SET state = %(to)s
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s AND state = %(from_)s

-- name: advance_refused
-- A slot the signer refused, and so never signed, becomes a fill: a self-send that only consumes the nonce.
UPDATE slots SET state = 'reserved', kind = 'fill', gas = %(gas)s
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s AND state = 'reserved' AND kind <> 'fill'

-- name: ask_fees
-- The fees the signer is asked for next; once bytes are kept they never fall.
UPDATE slots SET max_fee_per_gas = %(max_fee_per_gas)s, max_priority_fee_per_gas = %(max_priority_fee_per_gas)s
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s
   AND max_fee_per_gas < %(max_fee_per_gas)s

-- name: mark_stuck
-- Why the slot does not move by itself, or that it moves again.
UPDATE slots SET stuck = %(stuck)s
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s AND stuck IS DISTINCT FROM %(stuck)s

-- name: quote_anew
-- Other fees for a slot of which no bytes were kept, and so none were ever sent.
UPDATE slots SET max_fee_per_gas = %(max_fee_per_gas)s, max_priority_fee_per_gas = %(max_priority_fee_per_gas)s
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s AND state = 'reserved'

-- name: decide_items
-- What became of items; it is said once.
UPDATE slot_items SET outcome = %(outcome)s
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s 
   AND position = ANY (%(positions)s::integer[]) AND outcome = 'open'

-- name: cost_lately
-- Wei of the chain's coin that one payout took in the last batches of each lane of a vault; NULL before the first.
SELECT sum(s.fee) / nullif(sum(s.items), 0) AS wei
  FROM lanes AS l CROSS JOIN LATERAL (
       SELECT a.fee_paid AS fee, (SELECT count(*) FROM slot_items AS i WHERE i.chain_id = s.chain_id
                                     AND i.wallet = s.wallet AND i.nonce = s.nonce) AS items
         FROM slots AS s JOIN attempts AS a USING (chain_id, wallet, nonce)
        WHERE s.chain_id = l.chain_id AND s.wallet = l.wallet AND s.kind = 'pay' AND a.state = 'final' AND a.fee_paid > 0
        ORDER BY s.nonce DESC LIMIT 20) AS s
 WHERE l.chain_id = %(chain_id)s AND l.vault = %(vault)s
