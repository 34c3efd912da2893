-- tables: refunds

-- name: insert
-- A new refund; no row comes back when its identity is taken.
INSERT INTO refunds (id, account_id, livemode, identity, payment_intent_id, deposit_id, token_id, amount, reason, client_reference_id,
                     description, metadata, requested_by, created_at, claim_hash, claim_expires_at, payer, destination,
                     pays_at, state)
VALUES (%(id)s, %(account_id)s, %(livemode)s, %(identity)s, %(payment_intent_id)s, %(deposit_id)s, %(token_id)s, %(amount)s, %(reason)s,
        %(client_reference_id)s, %(description)s, %(metadata)s, %(requested_by)s, %(created_at)s, %(claim_hash)s,
        %(claim_expires_at)s, %(payer)s, %(destination)s, %(pays_at)s, %(state)s)
ON CONFLICT ON CONSTRAINT one_refund_per_identity DO NOTHING
RETURNING *

-- name: of_ids
-- Several refunds.
SELECT * FROM refunds WHERE id = ANY (%(ids)s::text[]) ORDER BY id

-- name: paid_by
-- The refund that a payout pays.
SELECT id FROM refunds WHERE payout_id = %(payout_id)s

-- name: lock
-- One refund, locked until the transaction ends.
SELECT * FROM refunds WHERE id = %(id)s FOR UPDATE

-- name: of_payouts
-- The refunds that some payouts pay.
SELECT * FROM refunds WHERE payout_id = ANY (%(payout_ids)s::text[]) ORDER BY id

-- name: by_identity
-- The refund that owns an identity, for ever.
SELECT * FROM refunds WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND identity = %(identity)s

-- name: by_claim
-- The refund that a claim link is of.
SELECT * FROM refunds WHERE claim_hash = %(claim_hash)s

-- name: lock_by_claim
-- The same, locked until the transaction ends.
SELECT * FROM refunds WHERE claim_hash = %(claim_hash)s FOR UPDATE

-- name: advance
-- Ends a refund that is in the state it is said to leave.
UPDATE refunds
   SET state = %(to)s, ended_at = %(at)s, version = version + 1
 WHERE id = %(id)s AND state = %(from_)s
RETURNING *

-- name: advance_to_failed
-- Its payout ended without paying, or none can be made.
UPDATE refunds
   SET state = 'failed', failure_code = %(failure_code)s, waits_for = NULL, ended_at = %(at)s, version = version + 1
 WHERE id = %(id)s AND state = 'pending'
RETURNING *

-- name: advance_to_pending
-- The customer said where the money goes.
UPDATE refunds
   SET state = 'pending', destination = %(destination)s, claimed_at = %(at)s, pays_at = %(pays_at)s, version = version + 1
 WHERE id = %(id)s AND state = 'requires_action'
RETURNING *

-- name: give_payout
-- The payout that pays it, for ever.
UPDATE refunds SET payout_id = %(payout_id)s, waits_for = NULL, version = version + 1
 WHERE id = %(id)s AND state = 'pending' AND payout_id IS NULL
RETURNING *

-- name: put_off
-- Why it has no payout or no end yet, and when it is tried again; the version grows with what is told anew.
UPDATE refunds
   SET waits_for = %(reason)s, look_at = %(look_at)s,
       version = version + CASE WHEN waits_for IS DISTINCT FROM %(reason)s THEN 1 ELSE 0 END
 WHERE id = %(id)s AND state IN ('requires_action', 'pending') AND payout_id IS NULL
RETURNING *

-- name: due
-- Refunds that can go on: unclaimed past their time, cooled off, or with a payout that ended.
SELECT id FROM (
    (SELECT r.id FROM refunds AS r WHERE r.state = 'requires_action' AND r.claim_expires_at <= %(now)s
        AND coalesce(r.look_at <= %(now)s, true)
      ORDER BY r.claim_expires_at LIMIT %(limit)s)
     UNION ALL
    (SELECT r.id FROM refunds AS r WHERE r.state = 'pending' AND r.payout_id IS NULL AND greatest(r.pays_at, r.look_at) <= %(now)s
      ORDER BY greatest(r.pays_at, r.look_at) LIMIT %(limit)s)
     UNION ALL
    (SELECT r.id FROM refunds AS r JOIN payouts AS p ON p.id = r.payout_id
      WHERE r.state = 'pending' AND p.state IN ('paid', 'failed', 'canceled') ORDER BY r.id LIMIT %(limit)s)
) AS found

-- name: counted
-- The refunds of a payment intent or of a deposit, with what names their payouts.
SELECT r.payout_identity, r.state, r.amount, t.chain_id, t.contract
  FROM refunds AS r JOIN tokens AS t ON t.id = r.token_id
 WHERE r.payment_intent_id = %(of)s OR r.deposit_id = %(of)s

-- name: gives_back
-- Whether a deposit goes back, went, or became its merchant's to go: its money does not lie where it came to.
SELECT EXISTS (SELECT FROM refunds AS r WHERE r.deposit_id = %(deposit_id)s
                  AND (r.state NOT IN ('failed', 'canceled') OR EXISTS (
                       SELECT FROM ledger.tx AS t WHERE t.source = 'refund' AND t.source_id = r.id))) AS found

-- name: ways_back
-- Of deposits that are to go back: whether a refund gives it back or did, and whether its money became the merchant's for one.
SELECT r.deposit_id, bool_or(r.state NOT IN ('failed', 'canceled')) AS gives,
       bool_or(EXISTS (SELECT FROM ledger.tx AS t WHERE t.source = 'refund' AND t.source_id = r.id)) AS moved
  FROM refunds AS r WHERE r.deposit_id = ANY(%(deposit_ids)s::text[]) GROUP BY r.deposit_id

-- name: refundable
-- By token what is final of an intent, and what was refunded of it or is on its way.
SELECT h.token_id, h.amount AS final,
       coalesce((SELECT sum(r.amount) FROM refunds AS r
                  WHERE r.payment_intent_id = %(intent_id)s AND r.token_id = h.token_id AND r.state NOT IN ('failed', 'canceled')), 0)
       AS refunded
  FROM (SELECT d.token_id, sum(d.amount) AS amount
          FROM applications AS a JOIN deposits AS d ON d.id = a.deposit_id
         WHERE a.intent_id = %(intent_id)s AND a.state = 'applied' AND d.state = 'finalized'
         GROUP BY d.token_id) AS h ORDER BY h.token_id

-- name: paid_from
-- The addresses that an intent's final money came from, in one token.
SELECT DISTINCT d.src FROM applications AS a JOIN deposits AS d ON d.id = a.deposit_id
 WHERE a.intent_id = %(intent_id)s AND a.state = 'applied' AND d.state = 'finalized' AND d.token_id = %(token_id)s ORDER BY d.src
