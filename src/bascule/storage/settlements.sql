-- tables: settlements

-- name: insert
-- The settlement of an asset's next period, which the caller has locked; none while another waits.
INSERT INTO settlements (id, account_id, livemode, token_id, period, due_at, requested_by, created_at, amount)
SELECT %(id)s, %(account_id)s, %(livemode)s, %(token_id)s, coalesce(max(s.period), 0) + 1, %(due_at)s, %(requested_by)s,
       %(created_at)s, %(amount)s
  FROM settlements AS s
 WHERE s.account_id = %(account_id)s AND s.livemode = %(livemode)s AND s.token_id = %(token_id)s
ON CONFLICT (account_id, livemode, token_id) WHERE state = 'scheduled' AND payout_id IS NULL DO NOTHING
RETURNING *

-- name: of_ids
-- Several settlements.
SELECT * FROM settlements WHERE id = ANY (%(ids)s::text[]) ORDER BY id

-- name: lock
-- One settlement, locked until the transaction ends.
SELECT * FROM settlements WHERE id = %(id)s FOR UPDATE

-- name: waiting
-- The settlement of an asset that has no payout yet.
SELECT * FROM settlements
 WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND token_id = %(token_id)s
   AND state = 'scheduled' AND payout_id IS NULL

-- name: paid_by
-- The settlement that a payout pays.
SELECT id FROM settlements WHERE payout_id = %(payout_id)s

-- name: incomplete
-- The numbers of an asset's periods, those to come too, of which these rows do not know that they are paid.
SELECT n AS period FROM generate_series(1, %(up_to)s::integer) AS n
 WHERE NOT EXISTS (SELECT FROM settlements AS s
                    WHERE s.account_id = %(account_id)s AND s.livemode = %(livemode)s AND s.token_id = %(token_id)s
                      AND s.period = n AND s.state = 'completed')
 ORDER BY n

-- name: promised
-- Base units in settlements whose payouts wait for approval, and in refunds that know whereto: nothing is held for them yet.
-- What of a refund was paid too much is available only with its payout.
SELECT (SELECT coalesce(sum(s.amount), 0) FROM settlements AS s JOIN payouts AS p ON p.id = s.payout_id
         WHERE s.account_id = %(account_id)s AND s.token_id = %(token_id)s AND s.state = 'scheduled' AND p.state = 'requires_action')
     + (SELECT coalesce(sum(r.amount - r.excess), 0) FROM refunds AS r
         WHERE r.account_id = %(account_id)s AND r.token_id = %(token_id)s AND r.state = 'pending' AND r.payout_id IS NULL)
     + (SELECT coalesce(sum(r.amount), 0) FROM refunds AS r JOIN payouts AS p ON p.id = r.payout_id
         WHERE r.account_id = %(account_id)s AND r.token_id = %(token_id)s AND r.state = 'pending' AND r.payout_id IS NOT NULL
           AND p.state = 'requires_action') AS amount

-- name: due
-- Settlements that can go on: without a payout, or with one that ended.
SELECT id FROM (
    (SELECT s.id FROM settlements AS s
      WHERE s.state = 'scheduled' AND s.payout_id IS NULL AND coalesce(s.look_at, s.created_at) <= %(now)s
      ORDER BY coalesce(s.look_at, s.created_at) LIMIT %(limit)s)
     UNION ALL
    (SELECT s.id FROM settlements AS s JOIN payouts AS p ON p.id = s.payout_id
      WHERE s.state = 'scheduled' AND p.state IN ('paid', 'failed', 'canceled') ORDER BY s.id LIMIT %(limit)s)
) AS found

-- name: aim
-- What it takes and whereto, as its payout is to be.
UPDATE settlements SET amount = %(amount)s, destination = %(destination)s
 WHERE id = %(id)s AND state = 'scheduled' AND payout_id IS NULL

-- name: give_payout
-- The payout that pays it, for ever.
UPDATE settlements SET payout_id = %(payout_id)s, waits_for = NULL, version = version + 1
 WHERE id = %(id)s AND state = 'scheduled' AND payout_id IS NULL
RETURNING *

-- name: put_off
-- Why it has no payout yet, and when it is tried again; the version grows with what is told anew.
UPDATE settlements
   SET waits_for = %(reason)s, look_at = %(look_at)s,
       version = version + CASE WHEN waits_for IS DISTINCT FROM %(reason)s THEN 1 ELSE 0 END
 WHERE id = %(id)s AND state = 'scheduled' AND payout_id IS NULL
RETURNING *

-- name: advance
-- Ends a settlement that is in the state it is said to leave.
UPDATE settlements SET state = %(to)s, ended_at = %(at)s, version = version + 1
 WHERE id = %(id)s AND state = %(from_)s
RETURNING *

-- name: advance_to_failed
-- Its payout ended without paying.
UPDATE settlements SET state = 'failed', failure_code = %(failure_code)s, waits_for = NULL, ended_at = %(at)s, version = version + 1
 WHERE id = %(id)s AND state = 'scheduled'
RETURNING *
