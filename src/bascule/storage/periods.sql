-- tables: ledger.period, ledger.closing
-- Written by the function of the migration alone; here it is only called.

-- name: close
-- Closes the books until a moment.
SELECT ledger.close_period(%(until)s::timestamptz) AS closed

-- name: closed
-- Every closed period, the oldest first, with the accounts that stood at something at its end.
SELECT p.since, p.until, p.closed_at, p.closed_by,
       (SELECT count(*) FROM ledger.closing AS c WHERE c.until = p.until) AS accounts
  FROM ledger.period AS p ORDER BY p.until

-- name: balances_at
-- What accounts stood at, posted, at a moment, by what was recorded until another: from the newest period that was closed
-- by both, and whatever became effective since.
WITH base AS (
    SELECT p.until, p.first_tx FROM ledger.period AS p
     WHERE p.until <= %(at)s AND p.closed_at <= %(known_at)s ORDER BY p.until DESC LIMIT 1
)
SELECT a.code, a.token_id, sum(s.posted) AS posted
  FROM (SELECT c.account_id, c.posted FROM ledger.closing AS c JOIN base AS b ON b.until = c.until
         UNION ALL
        SELECT e.account_id, e.amount
          FROM ledger.entry AS e JOIN ledger.tx AS t ON t.id = e.tx_id
         WHERE e.layer = 0 AND t.effective_at <= %(at)s AND t.recorded_at <= %(known_at)s
           AND t.id >= coalesce((SELECT b.first_tx FROM base AS b), 0)
           AND t.effective_at >= coalesce((SELECT b.until FROM base AS b), '-infinity')) AS s
  JOIN ledger.account AS a ON a.id = s.account_id
 WHERE %(account_id)s::text IS NULL OR a.owner_account = %(account_id)s
 GROUP BY a.code, a.token_id HAVING sum(s.posted) <> 0
 ORDER BY a.code, a.token_id
