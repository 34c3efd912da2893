-- tables:
-- What merchants are charged against what they were credited.

-- name: charged
-- Fees that are not what the version in force says of what was credited, and credits that were not charged.
SELECT subject, found FROM (
    SELECT coalesce(c.id, f.deposit_id) AS subject,
           CASE WHEN f.deposit_id IS NULL THEN format('was credited %%s and not charged by version %%s', c.gross, c.version)
                WHEN c.id IS NULL THEN format('was charged %%s and no version was in force', f.share + f.fixed)
                ELSE format('was charged %%s and %%s by version %%s, which should be %%s and %%s by version %%s', f.share, f.fixed, f.version,
                            c.share, c.fixed, c.version) END AS found
      FROM (SELECT d.id, -e.amount AS gross, v.version, div(-e.amount * v.bps, 10000) AS share,
                   least(div(v.fixed, 10::numeric ^ (18 - k.decimals)), -e.amount - div(-e.amount * v.bps, 10000)) AS fixed
              FROM (SELECT DISTINCT w.account_id, w.currency FROM fee_versions AS w) AS payer
              JOIN tokens AS k ON k.currency = payer.currency
              JOIN ledger.account AS a ON a.code = 'available:' || payer.account_id AND a.token_id = k.id
              JOIN ledger.entry AS e ON e.account_id = a.id AND e.layer = 0 AND e.amount < 0
              JOIN ledger.tx AS x ON x.id = e.tx_id AND x.source IN ('deposit', 'application')
              JOIN deposits AS d ON d.id = x.source_id AND d.kind = 'payment'
             CROSS JOIN LATERAL (SELECT w.version, w.bps, w.fixed FROM fee_versions AS w
                                  WHERE w.account_id = payer.account_id AND w.currency = payer.currency AND w.effective_from <= x.recorded_at
                                  ORDER BY w.effective_from DESC, w.version DESC LIMIT 1) AS v) AS c
      FULL JOIN fees AS f ON f.deposit_id = c.id
     WHERE (f.gross, f.version, f.share, f.fixed) IS DISTINCT FROM (c.gross, c.version, c.share, CASE WHEN f.first THEN c.fixed ELSE 0 END)
     UNION ALL
    SELECT f.intent_id, format('bore the fixed part %%s times', count(*) FILTER (WHERE f.first))
      FROM fees AS f WHERE f.intent_id IS NOT NULL GROUP BY f.intent_id HAVING count(*) FILTER (WHERE f.first) <> 1
) AS wrong ORDER BY subject LIMIT %(most)s
