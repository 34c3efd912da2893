-- tables:
-- The journal against the facts that it books.

-- name: facts
-- Transactions whose entries, block or time are not what the fact they book says: the journal computed anew, compared.
WITH place AS (
    SELECT o.chain_id, o.address, CASE o.kind WHEN 'wallet' THEN 'custody:wallets' ELSE 'custody:' || o.kind END AS code
      FROM own_addresses AS o
     UNION ALL
    SELECT d.chain_id, d.address, 'custody:forwarders' FROM deposit_addresses AS d
     WHERE NOT EXISTS (SELECT FROM own_addresses AS o WHERE o.chain_id = d.chain_id AND o.address = d.address)
), operator AS (
    SELECT 'available:' || a.id AS available, 'suspense:' || a.id AS suspense FROM accounts AS a WHERE a.kind = 'operator'
), due AS (
    SELECT x.id, l.code, k.id AS token_id, 0 AS layer, l.amount
      FROM ledger.tx AS x
      JOIN openings AS o ON o.id = x.source_id
      JOIN tokens AS k ON k.chain_id = o.chain_id AND k.contract = o.token
      JOIN place AS p ON p.chain_id = o.chain_id AND p.address = o.address
     CROSS JOIN operator
     CROSS JOIN LATERAL (VALUES (p.code, o.amount::numeric), (operator.available, -o.amount)) AS l (code, amount)
     WHERE x.source = 'opening'
     UNION ALL
    SELECT x.id, l.code, d.token_id, 0, l.amount
      FROM ledger.tx AS x
      JOIN deposits AS d ON d.id = x.source_id
      JOIN place AS p ON p.chain_id = d.chain_id AND p.address = d.dst
      LEFT JOIN applications AS s ON s.deposit_id = d.id
      LEFT JOIN ledger.tx AS moved ON moved.source = 'application' AND moved.source_id = d.id
     CROSS JOIN operator
     CROSS JOIN LATERAL (SELECT CASE WHEN moved.id IS NOT NULL THEN 0 WHEN d.kind = 'capital' THEN d.amount::numeric
            WHEN d.kind = 'payment' AND s.state = 'accepted' THEN d.amount::numeric
            WHEN d.kind = 'payment' AND s.state <> 'unapplied' THEN s.amount_applied::numeric ELSE 0 END AS credited) AS c
     CROSS JOIN LATERAL (VALUES (p.code, d.amount::numeric),
            (CASE d.kind WHEN 'payment' THEN 'available:' || d.account_id ELSE operator.available END, -c.credited),
            (CASE d.kind WHEN 'payment' THEN 'suspense:' || d.account_id ELSE operator.suspense END, c.credited - d.amount))
             AS l (code, amount)
     WHERE x.source = 'deposit'
     UNION ALL
    SELECT x.id, l.code, d.token_id, 0, l.amount
      FROM ledger.tx AS x
      JOIN deposits AS d ON d.id = x.source_id
      JOIN applications AS s ON s.deposit_id = d.id
     CROSS JOIN LATERAL (SELECT CASE s.state WHEN 'accepted' THEN d.amount::numeric ELSE s.amount_applied::numeric END AS credited) AS c
     CROSS JOIN LATERAL (VALUES ('suspense:' || d.account_id, c.credited), ('available:' || d.account_id, -c.credited)) AS l (code, amount)
     WHERE x.source = 'application'
     UNION ALL
    SELECT x.id, l.code, r.token_id, 0, l.amount
      FROM ledger.tx AS x
      JOIN refunds AS r ON r.id = x.source_id
     CROSS JOIN LATERAL (VALUES ('suspense:' || r.account_id, r.excess::numeric), ('available:' || r.account_id, -r.excess)) AS l (code, amount)
     WHERE x.source = 'refund'
     UNION ALL
    SELECT x.id, l.code, d.token_id, 0, CASE WHEN x.source_id LIKE '%%#released' THEN -l.amount ELSE l.amount END
      FROM ledger.tx AS x
      JOIN screenings AS s ON s.id = split_part(x.source_id, '#', 1) AND (s.state = 'released' OR x.source_id = s.id)
      JOIN deposits AS d ON d.id = s.deposit_id
     CROSS JOIN operator
     CROSS JOIN LATERAL (SELECT CASE d.kind WHEN 'payment' THEN 'suspense:' || d.account_id ELSE operator.suspense END AS suspense) AS c
     CROSS JOIN LATERAL (VALUES (c.suspense, d.amount::numeric), ('screened:' || split_part(c.suspense, ':', 2), -d.amount)) AS l (code, amount)
     WHERE x.source = 'screening'
     UNION ALL
    SELECT x.id, l.code, k.id, 0, l.amount
      FROM ledger.tx AS x
      JOIN ledger.booked AS b ON b.tx_id = x.id
      JOIN transfers AS t ON t.chain_id = b.chain_id AND t.block_hash = b.block_hash AND t.log_index = b.log_index
      JOIN tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token
      JOIN place AS s ON s.chain_id = t.chain_id AND s.address = t.src
      JOIN place AS d ON d.chain_id = t.chain_id AND d.address = t.dst
     CROSS JOIN LATERAL (VALUES (d.code, t.amount::numeric), (s.code, -t.amount)) AS l (code, amount)
     WHERE x.source = 'internal'
     UNION ALL
    SELECT x.id, l.code, k.id, 0, l.amount
      FROM ledger.tx AS x
      JOIN ledger.tx AS o ON o.source = 'outflow' AND o.source_id = x.source_id
      JOIN ledger.booked AS b ON b.tx_id = o.id
      JOIN transfers AS t ON t.chain_id = b.chain_id AND t.block_hash = b.block_hash AND t.log_index = b.log_index
      JOIN tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token
      JOIN place AS s ON s.chain_id = t.chain_id AND s.address = t.src
     CROSS JOIN operator
     CROSS JOIN LATERAL (SELECT EXISTS (SELECT FROM breaks AS r WHERE r.type = 'unexplained_outflow'
                                           AND r.subject = k.id || '/' || o.source_id) AS missing,
                                EXISTS (SELECT FROM ledger.tx AS y WHERE y.source = 'loss' AND y.source_id = o.source_id) AS borne) AS m
     CROSS JOIN LATERAL (VALUES ('outflow', CASE WHEN m.missing THEN 'expense:outflow' ELSE operator.available END, t.amount::numeric),
            ('outflow', s.code, -t.amount), ('loss', operator.available, t.amount), ('loss', 'expense:outflow', -t.amount),
            ('found', 'custody:forwarders', t.amount),
            ('found', CASE WHEN m.missing AND NOT m.borne THEN 'expense:outflow' ELSE operator.available END, -t.amount)) AS l (source, code, amount)
     WHERE x.source IN ('outflow', 'loss', 'found') AND l.source = x.source
     UNION ALL
    SELECT x.id, l.code, k.id, 0, l.amount              -- of a payout whose payee is ours
      FROM ledger.tx AS x
      JOIN ledger.booked AS b ON b.chain_id = split_part(x.source_id, '/', 1)::bigint
                             AND b.block_hash = decode(split_part(x.source_id, '/', 2), 'hex')
                             AND b.log_index = split_part(x.source_id, '/', 3)::integer
      JOIN ledger.tx AS o ON o.id = b.tx_id AND o.source = 'payout'
      JOIN transfers AS t ON t.chain_id = b.chain_id AND t.block_hash = b.block_hash AND t.log_index = b.log_index
      JOIN tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token
      JOIN place AS d ON d.chain_id = t.chain_id AND d.address = t.dst
     CROSS JOIN operator
     CROSS JOIN LATERAL (VALUES (d.code, t.amount::numeric), (operator.available, -t.amount)) AS l (code, amount)
     WHERE x.source = 'found'
     UNION ALL
    SELECT x.id, l.code, p.token_id, l.layer, l.amount
      FROM ledger.tx AS x
      JOIN payouts AS p ON p.id = split_part(x.source_id, '#', 1)
     CROSS JOIN LATERAL (VALUES ('hold', 'available:' || p.account_id, 1, p.amount::numeric), ('hold', 'custody:vault', 2, -p.amount),
            ('release', 'available:' || p.account_id, 1, -p.amount), ('release', 'custody:vault', 2, p.amount::numeric),
            ('payout', 'available:' || p.account_id, 1, -p.amount), ('payout', 'custody:vault', 2, p.amount::numeric),
            ('payout', 'available:' || p.account_id, 0, p.amount::numeric), ('payout', 'custody:vault', 0, -p.amount))
             AS l (source, code, layer, amount)
     WHERE x.source IN ('hold', 'release', 'payout') AND l.source = x.source
     UNION ALL
    SELECT x.id, l.code, k.id, 0, l.amount
      FROM ledger.tx AS x
      JOIN attempts AS a ON a.tx_hash = decode(x.source_id, 'hex')
      JOIN tokens AS k ON k.chain_id = a.chain_id AND k.contract = decode(repeat('00', 20), 'hex')
     CROSS JOIN LATERAL (VALUES ('expense:gas', a.fee_paid), ('custody:wallets', -a.fee_paid)) AS l (code, amount)
     WHERE x.source = 'gas'
     UNION ALL
    SELECT x.id, l.code, d.token_id, 0, l.amount
      FROM ledger.tx AS x
      JOIN fees AS f ON f.deposit_id = x.source_id AND f.tx_id = x.id
      JOIN deposits AS d ON d.id = f.deposit_id
     CROSS JOIN LATERAL (VALUES ('available:' || d.account_id, f.share + f.fixed), ('income:fees', -f.share - f.fixed)) AS l (code, amount)
     WHERE x.source = 'fee'
)
SELECT subject, found FROM (
    SELECT w.id AS at, 'transaction ' || w.id AS subject,
           format('layer %%s of %%s in %%s is %%s, by its %%s %%s', w.layer, w.code, w.token_id, w.wrong, x.kind, x.source_id) AS found
      FROM (SELECT id, code, token_id, layer, sum(amount) AS wrong
              FROM (SELECT e.tx_id AS id, a.code, e.token_id, e.layer::integer, e.amount FROM ledger.entry AS e
                      JOIN ledger.account AS a ON a.id = e.account_id
                     UNION ALL
                    SELECT id, code, token_id, layer, -amount FROM due) AS both_sides
             GROUP BY id, code, token_id, layer HAVING sum(amount) <> 0) AS w
      LEFT JOIN ledger.tx AS x ON x.id = w.id
     UNION ALL
    SELECT x.id, 'transaction ' || x.id, format('is of block %%s and effective at %%s, its transfer is of block %%s and %%s',
           x.block_number, x.effective_at, t.block_number, k.block_time)
      FROM ledger.tx AS x
      JOIN ledger.booked AS b ON b.tx_id = x.id
      JOIN transfers AS t ON t.chain_id = b.chain_id AND t.block_hash = b.block_hash AND t.log_index = b.log_index
      JOIN blocks AS k ON k.chain_id = t.chain_id AND k.hash = t.block_hash
     WHERE (x.chain_id, x.block_number) IS DISTINCT FROM (t.chain_id, t.block_number) OR x.effective_at < k.block_time
) AS wrong ORDER BY at, subject LIMIT %(most)s

-- name: digests
-- Transactions whose digest is not of their content.
SELECT 'transaction ' || x.id AS subject, format('a %%s of %%s', x.kind, x.source_id) AS found
  FROM ledger.tx AS x
  JOIN (SELECT e.tx_id, jsonb_agg(e.account_id ORDER BY e.seq) AS accounts, jsonb_agg(e.layer ORDER BY e.seq) AS layers,
               jsonb_agg(e.amount ORDER BY e.seq) AS amounts
          FROM ledger.entry AS e GROUP BY e.tx_id) AS c ON c.tx_id = x.id
 WHERE x.digest <> sha256(convert_to(jsonb_build_array(x.source, x.source_id, x.kind, x.chain_id, x.block_number,
           c.accounts, c.layers, c.amounts, x.reverses)::text, 'UTF8'))
 ORDER BY x.id LIMIT %(most)s
