-- tables:

-- name: breaks
-- What does not add up now, by kind: how much of it, and for how long the oldest.
SELECT type, count(*)::int AS open, extract(epoch FROM %(now)s - min(opened_at))::float8 AS oldest_s
  FROM breaks WHERE state = 'open' GROUP BY type ORDER BY type

-- name: residuals
-- By how much chain and journal differed when each booked token was compared last; of one currency together.
SELECT t.chain_id, t.currency, sum(abs(r.residual)) AS units
  FROM tokens AS t
  CROSS JOIN LATERAL (SELECT c.residual FROM reconciliations AS c
                       WHERE c.token_id = t.id ORDER BY c.id DESC LIMIT 1) AS r
 WHERE t.accepted GROUP BY t.chain_id, t.currency ORDER BY t.chain_id, t.currency

-- name: payouts
-- Payouts that have not ended, by state: how many, and for how long the oldest.
SELECT state, count(*)::int AS open, extract(epoch FROM %(now)s - min(created_at))::float8 AS oldest_s
  FROM (SELECT p.state, p.created_at FROM payouts AS p WHERE p.state IN ('requires_action', 'pending')
         UNION ALL
        SELECT p.state, p.created_at
          FROM slots AS s JOIN slot_items AS i USING (chain_id, wallet, nonce) JOIN payouts AS p ON p.id = i.payout_id
         WHERE s.kind = 'pay' AND s.state <> 'final' AND i.outcome = 'open' AND p.state = 'in_transit') AS waiting
 GROUP BY state ORDER BY state

-- name: screenings
-- What screening holds until the compliance role decides: how much, and for how long the oldest; 0 when nothing is held.
SELECT count(*)::int AS open, coalesce(extract(epoch FROM %(now)s - min(created_at)), 0)::float8 AS oldest_s
  FROM screenings WHERE state = 'open'

-- name: queues
-- For how long the oldest of what nobody has numbered, sent or sealed yet is waiting; 0 when nothing is.
SELECT coalesce(extract(epoch FROM %(now)s - (
           SELECT created_at FROM outbox WHERE NOT sequenced ORDER BY id LIMIT 1)), 0)::float8 AS outbox_s,
       coalesce(extract(epoch FROM %(now)s - (
           SELECT min(d.next_at) FROM webhook_endpoints AS w CROSS JOIN LATERAL (
               SELECT next_at FROM deliveries AS d WHERE d.endpoint_id = w.id AND d.state = 'scheduled' ORDER BY next_at LIMIT 1
           ) AS d WHERE w.state = 'enabled')), 0)::float8 AS delivery_s,
       (SELECT count(*) FROM webhook_endpoints AS w WHERE w.failing_since IS NOT NULL AND w.state = 'enabled') AS failing,
       (SELECT coalesce(max(x.id), 0) FROM ledger.tx AS x) - coalesce(s.ledger, 0)
       + (SELECT coalesce(max(a.id), 0) FROM audit_log AS a) - coalesce(s.audit, 0) AS unsealed_rows,
       extract(epoch FROM %(now)s - s.sealed_at::timestamptz)::float8 AS seal_s,
       ledger.entries_end() - 1 - (SELECT coalesce(max(x.id), 0) FROM ledger.tx AS x) AS room
  FROM (SELECT 1) AS once
  LEFT JOIN LATERAL (SELECT ledger, audit, sealed_at FROM seals ORDER BY number DESC LIMIT 1) AS s ON true

-- name: nonces
-- Of each wallet, how many nonces were given out since the lowest that no block of ours has consumed.
SELECT w.chain_id, w.name, w.next_nonce - coalesce(s.nonce, w.next_nonce) AS gap
  FROM wallets AS w
  LEFT JOIN LATERAL (SELECT min(n.nonce) AS nonce
                       FROM (SELECT nonce, state FROM slots AS o WHERE o.chain_id = w.chain_id AND o.wallet = w.address
                              ORDER BY o.nonce DESC LIMIT 64) AS n
                      WHERE n.state NOT IN ('mined', 'final')) AS s ON true
 ORDER BY w.chain_id, w.name
