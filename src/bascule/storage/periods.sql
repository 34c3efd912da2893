-- tables: ledger.period, ledger.closing, ledger.tally
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
-- What accounts stood at, posted, at a moment, by what was recorded until another, or by all: from the newest period that was
-- closed by both, and whatever became effective since, less what was recorded later.
WITH base AS (
    SELECT p.until FROM ledger.period AS p
     WHERE p.until <= %(at)s AND p.closed_at <= coalesce(%(known_at)s::timestamptz, 'infinity') ORDER BY p.until DESC LIMIT 1
), behind AS (
    SELECT coalesce((SELECT b.until FROM base AS b), '-infinity') AS since
)
SELECT a.code, a.token_id, sum(s.posted) AS posted
  FROM (SELECT c.account_id, c.posted FROM ledger.closing AS c JOIN base AS b ON b.until = c.until
         UNION ALL
        SELECT m.account_id, m.posted
          FROM behind AS b CROSS JOIN LATERAL ledger.moved(b.since, %(at)s::timestamptz + interval '1 microsecond') AS m
         UNION ALL
        SELECT e.account_id, -e.amount
          FROM behind AS b CROSS JOIN ledger.tx AS t JOIN ledger.entry AS e ON e.tx_id = t.id AND e.layer = 0
         WHERE %(known_at)s::timestamptz IS NOT NULL AND t.recorded_at > %(known_at)s
           AND t.effective_at >= b.since AND t.effective_at <= %(at)s) AS s
  JOIN ledger.account AS a ON a.id = s.account_id
 WHERE %(account_id)s::text IS NULL OR a.owner_account = %(account_id)s
 GROUP BY a.code, a.token_id HAVING sum(s.posted) <> 0
 ORDER BY a.code, a.token_id
