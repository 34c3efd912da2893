-- tables: anchors

-- name: request
-- The newest head shall be anchored on each chain that has an anchor's wallet, unless a request is open there, or
-- nothing was sealed since the last one but what anchoring itself cost.
INSERT INTO anchors (chain_id, seal, head, requested_at)
SELECT w.chain_id, s.number, s.hash, %(now)s
  FROM wallets AS w
 CROSS JOIN (SELECT * FROM seals ORDER BY number DESC LIMIT 1) AS s
  LEFT JOIN LATERAL (SELECT l.ledger, l.audit, l.payouts FROM anchors AS a JOIN seals AS l ON l.number = a.seal
                      WHERE a.chain_id = w.chain_id ORDER BY a.seal DESC LIMIT 1) AS last ON true
 WHERE w.name = %(lane)s
   AND NOT EXISTS (SELECT FROM anchors AS a WHERE a.chain_id = w.chain_id AND a.outcome = 'open')
   AND (last.ledger IS NULL OR s.audit > last.audit OR s.payouts > last.payouts
        OR EXISTS (SELECT FROM ledger.tx AS x
                    WHERE x.id > last.ledger AND x.id <= s.ledger
                      AND NOT (x.source = 'gas' AND EXISTS (
                          SELECT FROM attempts AS t JOIN anchors AS a USING (chain_id, wallet, nonce)
                           WHERE t.tx_hash = decode(x.source_id, 'hex')))))
ON CONFLICT DO NOTHING

-- name: waiting
-- The open request of a chain that no nonce carries.
SELECT seal, head FROM anchors WHERE chain_id = %(chain_id)s AND outcome = 'open' AND nonce IS NULL

-- name: take
-- A nonce carries the request.
UPDATE anchors SET wallet = %(wallet)s, nonce = %(nonce)s
 WHERE chain_id = %(chain_id)s AND seal = %(seal)s AND outcome = 'open' AND nonce IS NULL

-- name: of_slot
-- The head that a nonce carries.
SELECT seal, head FROM anchors WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s

-- name: put_back
-- The nonce is gone: the request waits for another one.
UPDATE anchors SET wallet = NULL, nonce = NULL
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s AND outcome = 'open'

-- name: decide
-- What came of the request; it is said once.
UPDATE anchors SET outcome = %(outcome)s, decided_at = %(at)s
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s AND outcome = 'open'

-- name: sent
-- What the anchors' wallets sent, in order of their nonces: what each final transaction is said to anchor, if anything.
SELECT t.chain_id, t.wallet, t.nonce, t.tx_hash, a.seal, a.head
  FROM wallets AS w
  JOIN attempts AS t ON t.chain_id = w.chain_id AND t.wallet = w.address AND t.state = 'final'
  LEFT JOIN anchors AS a ON a.chain_id = t.chain_id AND a.wallet = t.wallet AND a.nonce = t.nonce AND a.outcome = 'done'
 WHERE w.name = %(lane)s ORDER BY t.chain_id, t.nonce

-- name: every
-- The requests of all chains, newest first, with the transaction that ended each.
SELECT a.*, (SELECT t.tx_hash FROM attempts AS t
              WHERE t.chain_id = a.chain_id AND t.wallet = a.wallet AND t.nonce = a.nonce AND t.state = 'final') AS tx_hash
  FROM anchors AS a ORDER BY a.requested_at DESC, a.chain_id LIMIT %(limit)s
