-- tables:
-- The journal against itself.

-- name: sums
-- What entries sum to by account, token and layer, read once for three invariants. A token's posted or held ones are not
-- zero; an account is of another token, or not there; a balance is missing or another sum, layer by layer.
WITH summed AS MATERIALIZED (
    SELECT e.account_id, e.token_id, e.layer, sum(e.amount) AS amount
      FROM ledger.entry AS e GROUP BY e.account_id, e.token_id, e.layer
)
(SELECT 'G1' AS invariant, s.token_id AS subject,
        format('posted entries sum to %%s, held ones to %%s', coalesce(sum(s.amount) FILTER (WHERE s.layer = 0), 0),
               coalesce(sum(s.amount) FILTER (WHERE s.layer <> 0), 0)) AS found
   FROM summed AS s
  GROUP BY s.token_id
 HAVING coalesce(sum(s.amount) FILTER (WHERE s.layer = 0), 0) <> 0
     OR coalesce(sum(s.amount) FILTER (WHERE s.layer <> 0), 0) <> 0
  ORDER BY s.token_id LIMIT %(most)s)
 UNION ALL
(SELECT 'G2', format('entry %%s/%%s', e.tx_id, e.seq), format('account %%s is not one of %%s', x.account_id, x.token_id)
   FROM (SELECT s.account_id, s.token_id FROM summed AS s EXCEPT SELECT a.id, a.token_id FROM ledger.account AS a) AS x
  CROSS JOIN LATERAL (SELECT e.tx_id, e.seq FROM ledger.entry AS e
                       WHERE e.account_id = x.account_id AND e.token_id = x.token_id ORDER BY e.tx_id, e.seq LIMIT %(most)s) AS e
  ORDER BY e.tx_id, e.seq LIMIT %(most)s)
 UNION ALL
(SELECT 'G3', format('%%s of %%s', a.code, a.token_id),
        format('balance %%s/%%s/%%s, entries %%s/%%s/%%s', b.posted, b.held_debit, b.held_credit,
               coalesce(s.posted, 0), coalesce(s.held_debit, 0), coalesce(s.held_credit, 0))
   FROM ledger.account AS a
   LEFT JOIN ledger.balance AS b ON b.account_id = a.id
   LEFT JOIN (SELECT s.account_id, sum(s.amount) FILTER (WHERE s.layer = 0) AS posted,
                     sum(s.amount) FILTER (WHERE s.layer = 1) AS held_debit, sum(s.amount) FILTER (WHERE s.layer = 2) AS held_credit
                FROM summed AS s GROUP BY s.account_id) AS s ON s.account_id = a.id
  WHERE (b.posted, b.held_debit, b.held_credit)
        IS DISTINCT FROM (coalesce(s.posted, 0), coalesce(s.held_debit, 0), coalesce(s.held_credit, 0))
  ORDER BY a.id LIMIT %(most)s)

-- name: transactions
-- Transactions that do not balance or have no entries, and entries without their transaction. Read once in the order of
-- their key (the order asked for keeps a plan from grouping in parts): what does not balance, or is of several tokens, is
-- summed again by token.
WITH suspect AS (
    SELECT t.id, s.tx_id
      FROM ledger.tx AS t
      FULL JOIN (SELECT e.tx_id, sum(e.amount) FILTER (WHERE e.layer = 0) <> 0 OR sum(e.amount) FILTER (WHERE e.layer <> 0) <> 0
                                 OR min(e.token_id ORDER BY e.seq) <> max(e.token_id) AS looked_at
                   FROM ledger.entry AS e GROUP BY e.tx_id) AS s ON s.tx_id = t.id
     WHERE t.id IS NULL OR s.tx_id IS NULL OR s.looked_at
)
SELECT subject, found FROM (
    SELECT e.tx_id AS at, 'transaction ' || e.tx_id AS subject,
           format('posted %%s, held %%s in %%s', coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0),
                  coalesce(sum(e.amount) FILTER (WHERE e.layer <> 0), 0), e.token_id) AS found
      FROM suspect AS s JOIN ledger.entry AS e ON e.tx_id = s.tx_id
     GROUP BY e.tx_id, e.token_id
    HAVING coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0) <> 0
        OR coalesce(sum(e.amount) FILTER (WHERE e.layer <> 0), 0) <> 0
     UNION ALL
    SELECT s.id, 'transaction ' || s.id, 'has no entries' FROM suspect AS s WHERE s.tx_id IS NULL
     UNION ALL
    SELECT e.tx_id, format('entry %%s/%%s', e.tx_id, e.seq), 'belongs to no transaction'
      FROM suspect AS s JOIN ledger.entry AS e ON e.tx_id = s.tx_id WHERE s.id IS NULL
) AS wrong ORDER BY at, subject LIMIT %(most)s

-- name: tallies
-- Accounts whose tally of a moment is not what became effective then, or of an hour not what its moments sum to.
SELECT format('%%s of %%s', a.code, a.token_id) AS subject,
       format('%%s %%s is tallied with %%s too much', CASE WHEN w.hourly THEN 'the hour from' ELSE 'the moment' END, w.since, w.wrong) AS found
  FROM (SELECT s.account_id, s.hourly, s.since, sum(s.posted) AS wrong
          FROM (SELECT y.account_id, y.hourly, y.since, y.posted FROM ledger.tally AS y
                 UNION ALL
                SELECT e.account_id, false, t.effective_at, -sum(e.amount)
                  FROM ledger.entry AS e JOIN ledger.tx AS t ON t.id = e.tx_id
                 WHERE e.layer = 0 GROUP BY e.account_id, t.effective_at
                 UNION ALL
                SELECT y.account_id, true, date_bin('1 hour', y.since, 'epoch'), -y.posted FROM ledger.tally AS y WHERE NOT y.hourly) AS s
         GROUP BY s.account_id, s.hourly, s.since HAVING sum(s.posted) <> 0) AS w LEFT JOIN ledger.account AS a ON a.id = w.account_id
 ORDER BY w.since, w.account_id, w.hourly LIMIT %(most)s

-- name: closings
-- Accounts that a closed period has at something else than the period before it and what became effective since.
SELECT format('%%s of %%s', a.code, a.token_id) AS subject, format('closed until %%s with %%s too much', w.until, w.wrong) AS found
  FROM (SELECT s.until, s.account_id, sum(s.posted) AS wrong
          FROM (SELECT c.until, c.account_id, c.posted FROM ledger.closing AS c
                 UNION ALL
                SELECT n.until, c.account_id, -c.posted FROM ledger.closing AS c JOIN ledger.period AS n ON n.since = c.until
                 UNION ALL
                SELECT (SELECT min(p.until) FROM ledger.period AS p WHERE p.until > t.effective_at), e.account_id, -e.amount
                  FROM ledger.entry AS e JOIN ledger.tx AS t ON t.id = e.tx_id AND e.layer = 0
                 WHERE t.effective_at < (SELECT max(p.until) FROM ledger.period AS p)) AS s
         GROUP BY s.until, s.account_id HAVING sum(s.posted) <> 0) AS w LEFT JOIN ledger.account AS a ON a.id = w.account_id
 ORDER BY w.until, w.account_id LIMIT %(most)s
