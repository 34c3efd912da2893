-- tables:
-- Refunds against the payments they are of and the payouts that pay them.

-- name: refunds
-- Payments and deposits of which more goes back than is final; refunds that another payout pays, that ended otherwise than theirs, or whose
-- payment does not say what went back of it.
WITH refund AS (
    SELECT r.*, coalesce(r.payment_intent_id, r.deposit_id) AS of, r.amount::numeric AS units, r.state NOT IN ('failed', 'canceled') AS counts FROM refunds AS r
), held AS (
    SELECT a.intent_id AS of, d.token_id, sum(d.amount::numeric) AS final, sum(d.amount::numeric - a.amount_applied::numeric) AS excess
      FROM applications AS a JOIN deposits AS d ON d.id = a.deposit_id
     WHERE a.state = 'applied' AND d.state = 'finalized' AND a.intent_id IN (SELECT r.payment_intent_id FROM refund AS r)
     GROUP BY a.intent_id, d.token_id
     UNION ALL
    SELECT d.id, d.token_id, d.amount::numeric, d.amount::numeric
      FROM applications AS a JOIN deposits AS d ON d.id = a.deposit_id
     WHERE a.state = 'refunded' AND a.amount_applied = 0 AND d.state = 'finalized'
)
SELECT subject, found FROM (
    SELECT r.of AS subject, format('%%s of %%s goes back, %%s is final', sum(r.units) FILTER (WHERE r.counts),
                                                  r.token_id, coalesce(min(h.final), 0)) AS found
      FROM refund AS r LEFT JOIN held AS h ON h.of = r.of AND h.token_id = r.token_id
     GROUP BY r.of, r.token_id
    HAVING sum(r.units) FILTER (WHERE r.counts) > coalesce(min(h.final), 0)
        OR sum(r.excess::numeric) FILTER (WHERE r.counts) > coalesce(min(h.excess), 0)
     UNION ALL
    SELECT r.id, format('is of %%s, whose account is another''s', i.id)
      FROM refund AS r JOIN payment_intents AS i ON i.id = r.payment_intent_id
     WHERE (r.account_id, r.livemode) <> (i.account_id, i.livemode)
     UNION ALL
    SELECT r.id, format('is of %%s, whose account is another''s', d.id) FROM refund AS r JOIN deposits AS d ON d.id = r.deposit_id
     WHERE (r.account_id, r.livemode, r.token_id) <> (d.account_id, d.livemode, d.token_id)
     UNION ALL
    SELECT r.id, format('pays %%s to 0x%%s, its payout %%s pays %%s to 0x%%s', r.units, encode(r.destination, 'hex'), p.id, p.amount,
                        encode(p.destination, 'hex'))
      FROM refund AS r JOIN payouts AS p ON p.id = r.payout_id
     WHERE (p.identity, p.account_id, p.livemode, p.token_id, p.destination, p.amount::numeric)
           <> (r.payout_identity, r.account_id, r.livemode, r.token_id, r.destination, r.units)
     UNION ALL
    SELECT r.id, format('is %%s, its payout is %%s', r.state, coalesce(p.state, 'not there'))
      FROM refund AS r LEFT JOIN payouts AS p ON p.id = r.payout_id
     WHERE r.state = 'succeeded' AND p.state IS DISTINCT FROM 'paid'
        OR r.state IN ('failed', 'canceled') AND p.state NOT IN ('failed', 'canceled')
     UNION ALL
    SELECT i.id, format('says %%s went back, its refunds paid %%s', i.refunded, coalesce(s.units, 0))
      FROM payment_intents AS i
      LEFT JOIN (SELECT r.payment_intent_id, sum(r.units * 10::numeric ^ (18 - k.decimals)) AS units
                   FROM refund AS r JOIN tokens AS k ON k.id = r.token_id WHERE r.state = 'succeeded' AND r.payment_intent_id IS NOT NULL
                  GROUP BY r.payment_intent_id) AS s ON s.payment_intent_id = i.id
     WHERE i.refunded <> coalesce(s.units, 0)
) AS wrong ORDER BY subject LIMIT %(most)s
