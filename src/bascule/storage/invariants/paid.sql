-- tables:
-- Payouts against what left us on the chain.

-- name: payouts
-- Paid payouts without exactly their one Transfer, or not booked; payouts that hold money when they may not pay, or none.
SELECT subject, found FROM (
    SELECT p.id AS subject, CASE
               WHEN t.chain_id IS NULL THEN 'is called paid and its transfer is not on the canonical chain'
               WHEN x.id IS NULL THEN 'is paid and not booked'
               WHEN n.times > 1 THEN format('shares its transfer with %%s others', n.times - 1)
               ELSE format('asked for %%s, its transfer moved %%s', p.amount, t.amount) END AS found
      FROM payouts AS p
      JOIN tokens AS k ON k.id = p.token_id
      JOIN (SELECT q.chain_id, q.paid_block_hash, q.paid_log_index, count(*) AS times FROM payouts AS q
             WHERE q.state = 'paid' GROUP BY q.chain_id, q.paid_block_hash, q.paid_log_index) AS n
        ON n.chain_id = p.chain_id AND n.paid_block_hash = p.paid_block_hash AND n.paid_log_index = p.paid_log_index
      LEFT JOIN transfers AS t ON t.chain_id = p.chain_id AND t.block_hash = p.paid_block_hash
                              AND t.log_index = p.paid_log_index AND t.canonical
      LEFT JOIN ledger.tx AS x ON x.source = 'payout' AND x.source_id = p.id
     WHERE p.state = 'paid'
       AND (x.id IS NULL OR n.times > 1 OR (t.token, t.src, t.dst, t.amount::numeric)
            IS DISTINCT FROM (k.contract, p.vault, p.destination, p.amount::numeric))
     UNION ALL
    SELECT p.id, p.state || CASE WHEN h.live THEN ', and holds money' ELSE ', and holds no money' END
      FROM payouts AS p
     CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM ledger.tx AS t
                                         WHERE t.source = 'hold' AND t.source_id = p.id || '#' || p.holds
                                           AND NOT EXISTS (SELECT FROM ledger.tx AS r WHERE r.reverses = t.id)) AS live) AS h
     WHERE h.live <> (p.state IN ('pending', 'in_transit'))
) AS wrong ORDER BY subject LIMIT %(most)s

-- name: outflows
-- Final transfers of booked tokens away from us that belong to no payout, here or before a restore; payouts that were sent
-- without their approvals or a mandate that has its own.
WITH out AS (
    SELECT t.*, k.id AS token_id
      FROM transfers AS t
      JOIN cursors AS c ON c.chain_id = t.chain_id AND t.block_number <= c.finalized_number
      JOIN tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token AND k.accepted
     WHERE t.canonical AND t.amount > 0
       AND (EXISTS (SELECT FROM openings AS o WHERE (o.chain_id, o.address, o.token) = (t.chain_id, t.src, t.token)
                       AND o.block_number < t.block_number)
            OR EXISTS (SELECT FROM deposit_addresses AS d WHERE d.chain_id = t.chain_id AND d.address = t.src))
       AND NOT EXISTS (SELECT FROM own_addresses AS w WHERE w.chain_id = t.chain_id AND w.address = t.dst)
       AND NOT EXISTS (SELECT FROM deposit_addresses AS d WHERE d.chain_id = t.chain_id AND d.address = t.dst)
       AND NOT EXISTS (SELECT FROM ledger.booked AS b
                        WHERE b.chain_id = t.chain_id AND b.block_hash = t.block_hash AND b.log_index = t.log_index)
)
SELECT subject, found FROM (
    SELECT f.block_number AS at, format('transfer %%s/%%s/%%s', f.chain_id, encode(f.block_hash, 'hex'), f.log_index) AS subject,
           format('%%s of %%s left us, and no payout asked for it', f.amount, f.token_id) AS found
      FROM out AS f
     WHERE NOT EXISTS (SELECT FROM payouts AS p WHERE p.state = 'in_transit' AND p.token_id = f.token_id AND p.vault = f.src
                          AND p.destination = f.dst AND p.amount::numeric = f.amount::numeric)
       AND NOT EXISTS (SELECT FROM recovered_payouts AS r WHERE r.chain_id = f.chain_id AND r.tx_hash = f.tx_hash AND r.vault = f.src
                          AND r.destination = f.dst AND r.amount::numeric = f.amount::numeric AND r.outcome = 'paid')
     UNION ALL
    SELECT x.block_number, 'transaction ' || x.id, 'books what went to no source of capital, and no break says so'
      FROM ledger.tx AS x
      JOIN ledger.booked AS b ON b.tx_id = x.id
      JOIN transfers AS t ON t.chain_id = b.chain_id AND t.block_hash = b.block_hash AND t.log_index = b.log_index
      JOIN tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token
     WHERE x.source = 'outflow'
       AND NOT EXISTS (SELECT FROM treasury_sources AS s WHERE s.chain_id = t.chain_id AND s.address = t.dst)
       AND NOT EXISTS (SELECT FROM breaks AS r WHERE r.type = 'unexplained_outflow' AND r.subject = k.id || '/' || x.source_id)
     UNION ALL
    SELECT 0, p.id, format('%%s with %%s of %%s approvals', p.state, greatest(a.given, b.given), p.approvals_required)
      FROM payouts AS p
     CROSS JOIN LATERAL (SELECT coalesce(max(n), 0) AS given FROM (SELECT count(*) AS n FROM payout_approvals AS v
                          WHERE v.payout_id = p.id GROUP BY v.digest) AS rounds) AS a
     CROSS JOIN LATERAL (SELECT coalesce(max(n), 0) AS given FROM (SELECT count(*) AS n FROM payout_batch_approvals AS v
                          WHERE v.batch_id = p.batch_id GROUP BY v.digest) AS rounds) AS b
     WHERE p.state IN ('in_transit', 'paid') AND greatest(a.given, b.given) < p.approvals_required
       AND NOT EXISTS (SELECT FROM recovered_payouts AS r WHERE r.chain_id = p.chain_id AND r.vault = p.vault
                          AND r.vault_id = p.vault_id AND r.outcome = 'paid')    -- a restore lost them; the vault saw them
       AND NOT EXISTS (SELECT FROM mandates AS m
                        WHERE m.id = p.mandate_id AND (m.account_id, m.livemode, m.token_id, m.vault) = (p.account_id, p.livemode, p.token_id, p.vault)
                          AND p.amount::numeric <= m.max_per_item::numeric
                          AND lower(m.destination) IN ('claimant', '0x' || encode(p.destination, 'hex'))
                          AND (SELECT count(*) FROM mandate_approvals AS v WHERE v.mandate_id = m.id) >= m.approvals_required)
) AS wrong ORDER BY at, subject LIMIT %(most)s
