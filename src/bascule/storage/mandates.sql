-- tables: mandates, mandate_approvals

-- name: insert
-- A new mandate, waiting for its approvals.
INSERT INTO mandates (id, account_id, livemode, kind, chain_id, vault, token_id, destination, max_per_item, max_per_day,
                      expires_at, approvals_required, description, requested_by, maker, created_at)
VALUES (%(id)s, %(account_id)s, %(livemode)s, %(kind)s, %(chain_id)s, %(vault)s, %(token_id)s, %(destination)s,
        %(max_per_item)s, %(max_per_day)s, %(expires_at)s, %(approvals_required)s, %(description)s, %(requested_by)s,
        %(maker)s, %(created_at)s)
RETURNING *

-- name: of_ids
-- Several mandates.
SELECT * FROM mandates WHERE id = ANY (%(ids)s::text[]) ORDER BY id

-- name: standing
-- The active mandates of an account for a kind of payout, a token and a vault.
SELECT id FROM mandates
 WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND state = 'active' AND kind = %(kind)s
   AND token_id = %(token_id)s AND vault = %(vault)s
 ORDER BY id

-- name: lock
-- One mandate, locked until the transaction ends.
SELECT * FROM mandates WHERE id = %(id)s FOR UPDATE

-- name: advance
-- Moves a mandate from one state to another.
UPDATE mandates SET state = %(to)s, version = version + 1 WHERE id = %(id)s AND state = %(from_)s RETURNING *

-- name: approve
-- Keeps a signature; one person's counts once.
INSERT INTO mandate_approvals (mandate_id, approver, signature) VALUES (%(mandate_id)s, %(approver)s, %(signature)s)
ON CONFLICT (mandate_id, approver) DO NOTHING

-- name: approvals_of
-- The signatures under some mandates, in the order they came.
SELECT * FROM mandate_approvals WHERE mandate_id = ANY (%(ids)s::text[]) ORDER BY mandate_id, created_at, approver

-- name: spent_since
-- Base units of payouts asked for under some mandates since a moment, and not called off.
SELECT mandate_id, sum(amount) AS amount FROM payouts
 WHERE mandate_id = ANY (%(ids)s::text[]) AND created_at > %(since)s AND state NOT IN ('canceled', 'failed')
 GROUP BY mandate_id ORDER BY mandate_id

-- name: unsigned
-- Base units under some mandates in batches of which no signed bytes were kept yet.
SELECT p.mandate_id, sum(p.amount) AS amount
  FROM payouts AS p JOIN slot_items AS i ON i.payout_id = p.id AND i.outcome = 'open'
  JOIN slots AS s ON (s.chain_id, s.wallet, s.nonce) = (i.chain_id, i.wallet, i.nonce)
 WHERE p.mandate_id = ANY (%(ids)s::text[]) AND s.state = 'reserved'
 GROUP BY p.mandate_id ORDER BY p.mandate_id

-- name: overdue
-- Mandates whose time is over and that have not said so yet, the longest overdue first.
SELECT id FROM mandates WHERE state IN ('requires_action', 'active') AND expires_at <= %(now)s
 ORDER BY expires_at, id LIMIT %(limit)s
