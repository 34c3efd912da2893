-- tables:
-- The journal against itself.

-- name: sums
-- What all posted and all held entries of a token sum to, where that is not zero.
SELECT e.token_id AS subject,
       format('posted entries sum to %%s, held ones to %%s', coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0),
              coalesce(sum(e.amount) FILTER (WHERE e.layer <> 0), 0)) AS found
  FROM ledger.entry AS e
 GROUP BY e.token_id
HAVING coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0) <> 0
    OR coalesce(sum(e.amount) FILTER (WHERE e.layer <> 0), 0) <> 0
 ORDER BY e.token_id LIMIT %(most)s

-- name: transactions
-- Transactions that do not balance or have no entries, and entries without their transaction or account.
SELECT subject, found FROM (
    SELECT e.tx_id AS at, 'transaction ' || e.tx_id AS subject,
           format('posted %%s, held %%s in %%s', coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0),
                  coalesce(sum(e.amount) FILTER (WHERE e.layer <> 0), 0), e.token_id) AS found
      FROM ledger.entry AS e
     GROUP BY e.tx_id, e.token_id
    HAVING coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0) <> 0
        OR coalesce(sum(e.amount) FILTER (WHERE e.layer <> 0), 0) <> 0
     UNION ALL
    SELECT t.id, 'transaction ' || t.id, 'has no entries'
      FROM ledger.tx AS t WHERE NOT EXISTS (SELECT FROM ledger.entry AS e WHERE e.tx_id = t.id)
     UNION ALL
    SELECT e.tx_id, format('entry %%s/%%s', e.tx_id, e.seq), 'belongs to no transaction'
      FROM ledger.entry AS e WHERE NOT EXISTS (SELECT FROM ledger.tx AS t WHERE t.id = e.tx_id)
     UNION ALL
    SELECT e.tx_id, format('entry %%s/%%s', e.tx_id, e.seq), format('account %%s is not one of %%s', e.account_id, e.token_id)
      FROM ledger.entry AS e
     WHERE NOT EXISTS (SELECT FROM ledger.account AS a WHERE a.id = e.account_id AND a.token_id = e.token_id)
) AS wrong ORDER BY at, subject LIMIT %(most)s

-- name: balances
-- Accounts whose balance is missing or is not the sum of their entries, layer by layer.
SELECT format('%%s of %%s', a.code, a.token_id) AS subject,
       format('balance %%s/%%s/%%s, entries %%s/%%s/%%s', b.posted, b.held_debit, b.held_credit,
              coalesce(s.posted, 0), coalesce(s.held_debit, 0), coalesce(s.held_credit, 0)) AS found
  FROM ledger.account AS a
  LEFT JOIN ledger.balance AS b ON b.account_id = a.id
  LEFT JOIN (SELECT e.account_id, coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0) AS posted,
                    coalesce(sum(e.amount) FILTER (WHERE e.layer = 1), 0) AS held_debit,
                    coalesce(sum(e.amount) FILTER (WHERE e.layer = 2), 0) AS held_credit
               FROM ledger.entry AS e GROUP BY e.account_id) AS s ON s.account_id = a.id
 WHERE (b.posted, b.held_debit, b.held_credit)
       IS DISTINCT FROM (coalesce(s.posted, 0), coalesce(s.held_debit, 0), coalesce(s.held_credit, 0))
 ORDER BY a.id LIMIT %(most)s

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
