-- tables:
-- What screening holds against the books and against what went out.

-- name: held
-- Booked deposits that screening holds and that lie elsewhere, or that it released and that still lie there; payouts that it
-- holds and that went out.
SELECT subject, found FROM (
    SELECT s.id AS subject, format('is %%s, and its deposit is %%s, %%s', s.state, p.state, CASE WHEN h.held THEN 'held' ELSE 'not held' END)
           AS found
      FROM screenings AS s
      JOIN ledger.tx AS t ON t.source = 'deposit' AND t.source_id = s.deposit_id
      LEFT JOIN applications AS p ON p.deposit_id = s.deposit_id
     CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM ledger.tx AS x WHERE x.source = 'screening' AND x.source_id = s.id
                                           AND NOT EXISTS (SELECT FROM ledger.tx AS r WHERE r.reverses = x.id)) AS held) AS h
     WHERE h.held <> (s.state <> 'released') OR (s.state <> 'released' AND p.state IN ('applied', 'accepted'))
     UNION ALL
    SELECT s.id, format('is %%s, and its payout is %%s', s.state, p.state)
      FROM screenings AS s JOIN payouts AS p ON p.id = s.payout_id
     WHERE s.state <> 'released' AND p.state IN ('in_transit', 'paid')
) AS wrong ORDER BY subject LIMIT %(most)s
