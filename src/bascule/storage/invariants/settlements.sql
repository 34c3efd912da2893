-- tables:
-- Settlements against the payouts that pay them.

-- name: settlements
-- Settlements that another payout pays than says so, or that ended otherwise than theirs; periods that are missing.
SELECT subject, found FROM (
    SELECT s.id AS subject, format('takes %%s to 0x%%s, its payout %%s pays %%s to 0x%%s', s.amount, encode(s.destination, 'hex'), p.id,
                                   p.amount, encode(p.destination, 'hex')) AS found
      FROM settlements AS s JOIN payouts AS p ON p.id = s.payout_id
     WHERE (p.identity, p.account_id, p.livemode, p.token_id, p.destination, p.amount::numeric)
           <> (s.identity, s.account_id, s.livemode, s.token_id, s.destination, s.amount::numeric)
     UNION ALL
    SELECT s.id, format('is %%s, its payout is %%s', s.state, coalesce(p.state, 'not there'))
      FROM settlements AS s LEFT JOIN payouts AS p ON p.id = s.payout_id
     WHERE s.state = 'completed' AND p.state IS DISTINCT FROM 'paid'
        OR s.state IN ('failed', 'canceled') AND p.state NOT IN ('failed', 'canceled')
     UNION ALL
    SELECT min(s.id), format('%%s periods of %%s up to period %%s', count(*), s.token_id, max(s.period))
      FROM settlements AS s GROUP BY s.account_id, s.livemode, s.token_id HAVING count(*) <> max(s.period)
) AS wrong ORDER BY subject LIMIT %(most)s

-- name: strangers
-- Payouts that the worker asked for in the name of no refund and no settlement.
SELECT p.id AS subject, 'is paid in the name of a refund or settlement that it is not of' AS found
  FROM payouts AS p
 WHERE p.requested_by = 'process:worker'
   AND NOT EXISTS (SELECT FROM refunds AS r WHERE r.payout_identity = p.identity AND r.payout_id = p.id)
   AND NOT EXISTS (SELECT FROM settlements AS s WHERE s.identity = p.identity AND s.payout_id = p.id)
 ORDER BY p.id LIMIT %(most)s
