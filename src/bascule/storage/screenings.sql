-- tables: screenings

-- name: hits_of_deposits
-- Of these deposits those whose sender stands on a list, and that nothing holds yet, nor the compliance role has released for
-- it. What a registered source of the operator's capital sends is not looked at.
SELECT DISTINCT ON (d.id) d.id AS deposit_id, NULL::text AS payout_id, d.account_id, d.livemode, d.src AS address, e.list,
       (SELECT max(l.version) FROM screening_lists l WHERE l.name = e.list) AS version, e.reference
  FROM unnest(%(ids)s::text[]) AS n (id)
  JOIN deposits d ON d.id = n.id AND d.kind <> 'capital' AND d.amount > 0
  JOIN screening_entries e ON e.address = d.src AND e.until IS NULL
 WHERE NOT EXISTS (SELECT FROM screenings s WHERE s.deposit_id = d.id
                      AND (s.state <> 'released' OR (s.address, s.list) = (e.address, e.list)))
 ORDER BY d.id, e.list

-- name: hits_of_payouts
-- The same of payouts by their destinations, while they can be stopped.
SELECT DISTINCT ON (p.id) NULL::text AS deposit_id, p.id AS payout_id, p.account_id, p.livemode, p.destination AS address, e.list,
       (SELECT max(l.version) FROM screening_lists l WHERE l.name = e.list) AS version, e.reference
  FROM unnest(%(ids)s::text[]) AS n (id)
  JOIN payouts p ON p.id = n.id AND p.state IN ('requires_action', 'pending')
  JOIN screening_entries e ON e.address = p.destination AND e.until IS NULL
 WHERE NOT EXISTS (SELECT FROM screenings s WHERE s.payout_id = p.id
                      AND (s.state <> 'released' OR (s.address, s.list) = (e.address, e.list)))
 ORDER BY p.id, e.list

-- name: waiting_deposits
-- Deposits that came before their sender stood on a list and that nobody is credited with yet: not final, unapplied, or to go
-- back by a refund that was not paid yet. Each is held until the transaction ends.
SELECT d.id
  FROM deposits d LEFT JOIN applications p ON p.deposit_id = d.id
 WHERE d.kind <> 'capital' AND d.amount > 0 AND (d.state = 'detected' OR (d.state = 'finalized' AND p.state = 'unapplied')
        OR (p.state = 'refunded' AND NOT EXISTS (SELECT FROM refunds r JOIN ledger.tx t ON t.source = 'refund' AND t.source_id = r.id
                                                  WHERE r.deposit_id = d.id)))
   AND EXISTS (SELECT FROM screening_entries e
                WHERE e.address = d.src AND e.until IS NULL
                  AND NOT EXISTS (SELECT FROM screenings s WHERE s.deposit_id = d.id
                                     AND (s.state <> 'released' OR (s.address, s.list) = (e.address, e.list))))
 ORDER BY d.id LIMIT %(limit)s
   FOR NO KEY UPDATE OF d

-- name: waiting_payouts
-- The same of payouts that can still be stopped.
SELECT p.id
  FROM payouts p
 WHERE p.state IN ('requires_action', 'pending')
   AND EXISTS (SELECT FROM screening_entries e
                WHERE e.address = p.destination AND e.until IS NULL
                  AND NOT EXISTS (SELECT FROM screenings s WHERE s.payout_id = p.id
                                     AND (s.state <> 'released' OR (s.address, s.list) = (e.address, e.list))))
 ORDER BY p.id LIMIT %(limit)s
   FOR NO KEY UPDATE OF p

-- name: insert
-- What was found is held from now on.
INSERT INTO screenings (id, account_id, livemode, deposit_id, payout_id, address, list, version, reference, state, created_at)
SELECT n.id, n.account_id, n.livemode, n.deposit_id, n.payout_id, n.address, n.list, n.version, n.reference, 'open', %(now)s
  FROM unnest(%(ids)s::text[], %(account_ids)s::text[], %(livemodes)s::boolean[], %(deposit_ids)s::text[], %(payout_ids)s::text[],
              %(addresses)s::bytea[], %(lists)s::text[], %(versions)s::integer[], %(references)s::text[])
       AS n (id, account_id, livemode, deposit_id, payout_id, address, list, version, reference)

-- name: advance
-- What the compliance role decided.
UPDATE screenings SET state = %(to)s, decided_at = %(at)s, decided_by = %(by)s, reason = %(reason)s
 WHERE id = %(id)s AND state = %(from_)s
RETURNING *

-- name: get
-- One screening.
SELECT * FROM screenings WHERE id = %(id)s

-- name: lock
-- One screening, and nobody decides it meanwhile.
SELECT * FROM screenings WHERE id = %(id)s FOR UPDATE

-- name: of_ids
-- Several screenings.
SELECT * FROM screenings WHERE id = ANY(%(ids)s::text[])

-- name: held_deposits
-- What is shown of deposits that screenings hold.
SELECT d.id, d.chain_id, d.token_id, k.currency, k.decimals, d.amount, d.state AS subject_state
  FROM deposits d LEFT JOIN tokens k ON k.id = d.token_id WHERE d.id = ANY(%(ids)s::text[])

-- name: held_payouts
-- The same of payouts.
SELECT p.id, p.chain_id, p.token_id, k.currency, k.decimals, p.amount, p.state AS subject_state
  FROM payouts p JOIN tokens k ON k.id = p.token_id WHERE p.id = ANY(%(ids)s::text[])

-- name: holding_deposits
-- The screenings that hold some of these deposits, and which.
SELECT id, deposit_id FROM screenings WHERE deposit_id = ANY(%(ids)s::text[]) AND state <> 'released' ORDER BY id

-- name: holding_payouts
-- Which of these payouts screening holds.
SELECT payout_id FROM screenings WHERE payout_id = ANY(%(ids)s::text[]) AND state <> 'released'

-- name: rejected
-- Whether the compliance role has rejected a payout, or a deposit.
SELECT EXISTS (SELECT FROM screenings WHERE %(subject)s::text IN (payout_id, deposit_id) AND state = 'rejected') AS rejected

-- name: newest
-- The newest screenings in a state, the newest first.
SELECT id FROM screenings WHERE state = %(state)s ORDER BY created_at DESC, id DESC LIMIT %(limit)s
