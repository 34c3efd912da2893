-- tables: payout_batches, payout_batch_approvals

-- name: insert
-- A new batch; leaves and totals may come later, once.
INSERT INTO payout_batches (id, account_id, livemode, chain_id, vault, leaves, totals, approvals_required,
                            approval_expires_at, roster_version, requested_by, created_at, state, identity, mode,
                            description, maker, left_out, policy_decision)
VALUES (%(id)s, %(account_id)s, %(livemode)s, %(chain_id)s, %(vault)s, %(leaves)s, %(totals)s, %(approvals_required)s,
        %(approval_expires_at)s, %(roster_version)s, %(requested_by)s, %(created_at)s, 'validating', %(identity)s, %(mode)s,
        %(description)s, %(maker)s, %(left_out)s, %(policy_decision)s)
ON CONFLICT ON CONSTRAINT one_batch_per_identity DO NOTHING
RETURNING *

-- name: get
-- One batch.
SELECT *
  FROM payout_batches WHERE id = %(id)s

-- name: lock
-- One batch, locked until the transaction ends.
SELECT *
  FROM payout_batches WHERE id = %(id)s FOR UPDATE

-- name: of_ids
-- Several batches.
SELECT *
  FROM payout_batches WHERE id = ANY (%(ids)s::text[]) ORDER BY id

-- name: sizes
-- How many leaves each of several batches has.
SELECT id, octet_length(leaves) / 32 AS leaves FROM payout_batches
 WHERE id = ANY (%(ids)s::text[]) AND leaves IS NOT NULL

-- name: settle_content
-- What the batch pays, said once and for ever.
UPDATE payout_batches SET leaves = %(leaves)s, totals = %(totals)s, version = version + 1
 WHERE id = %(id)s AND leaves IS NULL

-- name: insert_approval
-- Keeps a signature; a second one of the same approver for the same text changes nothing.
INSERT INTO payout_batch_approvals (batch_id, approver, digest, signature)
VALUES (%(batch_id)s, %(approver)s, %(digest)s, %(signature)s)
ON CONFLICT (batch_id, digest, approver) DO NOTHING

-- name: approvals_of_round
-- The signatures under one text, in the order they came.
SELECT approver, digest, signature, created_at FROM payout_batch_approvals
 WHERE batch_id = %(batch_id)s AND digest = %(digest)s
 ORDER BY created_at, approver

-- name: by_identity
-- The batch that owns an identity, for ever.
SELECT * FROM payout_batches WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND identity = %(identity)s

-- name: lock_if_free
-- One batch, locked until the transaction ends, unless somebody else has it just now.
SELECT * FROM payout_batches WHERE id = %(id)s FOR UPDATE SKIP LOCKED

-- name: advance
-- Moves a batch from one state to another.
UPDATE payout_batches SET state = %(to)s, version = version + 1 WHERE id = %(id)s AND state = %(from_)s
RETURNING *

-- name: begin_round
-- Its payouts that wait are asked about anew together.
UPDATE payout_batches
   SET vault = %(vault)s, roster_version = %(roster_version)s, approval_expires_at = %(approval_expires_at)s,
       version = version + 1,
       approvals_required = greatest(approvals_required, %(required)s),
       policy_decision = %(decision)s
 WHERE id = %(id)s

-- name: progress
-- How many payouts of a batch are in which state.
SELECT state, count(*) AS payouts FROM payouts WHERE batch_id = %(batch_id)s GROUP BY state ORDER BY state
