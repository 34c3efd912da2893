-- tables:
-- Each query is a report, its columns in the order of domain/report.py. Base units become exact decimals. `after` and `upto`
-- bound the ledger transactions of a stretch, by the key of each table; `upto` of the whole, too: what was booked later is not
-- in it.

-- name: balance
-- Each asset of an account: opening, what each type of fact moved, closing; payouts that gave a payment's money back are refunds.
WITH k AS (SELECT t.*, ('1e-' || t.decimals)::numeric AS unit FROM tokens AS t JOIN networks AS n ON n.chain_id = t.chain_id
            WHERE n.livemode = %(livemode)s),
     b AS (SELECT b.token_id, CASE WHEN r.id IS NULL THEN b.type ELSE 'refund' END AS type, b.net, b.effective_at < %(since)s AS before
             FROM ledger.balance_transaction AS b
             LEFT JOIN refunds AS r ON r.payout_id = b.source AND b.type = 'payout'
            WHERE b.account_id = %(account_id)s AND b.tx_id > %(after)s AND b.tx_id <= %(upto)s
              AND b.tx_key > %(after)s AND b.tx_key <= %(upto)s
              AND b.effective_at >= coalesce(%(base)s::timestamptz, '-infinity') AND b.effective_at < %(until)s
            UNION ALL
           SELECT a.token_id, NULL, -c.posted, true
             FROM ledger.closing AS c JOIN ledger.account AS a ON a.id = c.account_id
            WHERE c.until = %(base)s AND a.code = 'available:' || %(account_id)s::text)
SELECT 'eip155:' || k.chain_id AS network, k.currency, k.id AS token,
       (k.unit * coalesce(sum(b.net) FILTER (WHERE b.before), 0))::text AS opening,
       (k.unit * coalesce(sum(b.net) FILTER (WHERE NOT b.before AND b.type = 'payment'), 0))::text AS payments,
       (k.unit * coalesce(sum(b.net) FILTER (WHERE NOT b.before AND b.type = 'payout'), 0))::text AS payouts,
       (k.unit * coalesce(sum(b.net) FILTER (WHERE NOT b.before AND b.type = 'refund'), 0))::text AS refunds,
       (k.unit * coalesce(sum(b.net) FILTER (WHERE NOT b.before AND b.type = 'fee'), 0))::text AS fees,
       (k.unit * coalesce(sum(b.net) FILTER (WHERE NOT b.before AND b.type NOT IN ('payment', 'payout', 'refund', 'fee')), 0))::text
         AS other,
       (k.unit * coalesce(sum(b.net), 0))::text AS closing
  FROM b JOIN k ON k.id = b.token_id
 GROUP BY k.chain_id, k.currency, k.id, k.unit
 ORDER BY k.chain_id, k.currency, k.id

-- name: activity
-- An account's balance transactions, as they were booked.
WITH k AS MATERIALIZED (SELECT t.*, ('1e-' || t.decimals)::numeric AS unit, 'eip155:' || t.chain_id AS network
                          FROM tokens AS t JOIN networks AS n ON n.chain_id = t.chain_id WHERE n.livemode = %(livemode)s)
SELECT b.id, b.type, b.source, report_time(b.effective_at) AS effective_at, report_time(b.recorded_at) AS recorded_at,
       k.network, k.currency, k.id AS token, ((b.net + b.fee) * k.unit)::text AS gross, (b.fee * k.unit)::text AS fee,
       (b.net * k.unit)::text AS net, i.id AS payment_intent,
       report_text(coalesce(i.client_reference_id, p.client_reference_id), %(guarded)s) AS client_reference_id,
       '0x' || encode(coalesce(d.src, p.destination), 'hex') AS counterparty,
       '0x' || encode(coalesce(d.tx_hash, f.tx_hash), 'hex') AS transaction_hash, b.block_number,
       report_text(coalesce(i.description, p.description), %(guarded)s) AS description
  FROM ledger.balance_transaction AS b
  JOIN k ON k.id = b.token_id
  LEFT JOIN deposits AS d ON d.id = b.source
  LEFT JOIN applications AS a ON a.deposit_id = d.id
  LEFT JOIN payment_intents AS i ON i.id = a.intent_id
  LEFT JOIN payouts AS p ON p.id = b.source
  LEFT JOIN transfers AS f ON f.chain_id = p.chain_id AND f.block_hash = p.paid_block_hash AND f.log_index = p.paid_log_index
 WHERE b.account_id = %(account_id)s AND b.tx_id > %(after)s AND b.tx_id <= %(upto)s
   AND b.tx_key > %(after)s AND b.tx_key <= %(upto)s
   AND b.effective_at >= %(since)s AND b.effective_at < %(until)s
 ORDER BY b.tx_id, b.token_id

-- name: payouts
-- An account's payouts that were paid.
SELECT p.id, report_time(b.effective_at) AS paid_at, 'eip155:' || k.chain_id AS network, k.currency, k.id AS token,
       (p.amount * ('1e-' || k.decimals)::numeric)::text AS amount, '0x' || encode(p.destination, 'hex') AS destination,
       '0x' || encode(p.vault, 'hex') AS vault, '0x' || encode(f.tx_hash, 'hex') AS transaction_hash, p.batch_id AS batch,
       report_text(p.client_reference_id, %(guarded)s) AS client_reference_id, report_time(p.created_at) AS requested_at,
       report_text(p.description, %(guarded)s) AS description
  FROM ledger.balance_transaction AS b
  JOIN payouts AS p ON p.id = b.source AND p.livemode = %(livemode)s
  JOIN tokens AS k ON k.id = b.token_id
  LEFT JOIN transfers AS f ON f.chain_id = p.chain_id AND f.block_hash = p.paid_block_hash AND f.log_index = p.paid_log_index
 WHERE b.account_id = %(account_id)s AND b.type = 'payout' AND b.tx_id > %(after)s AND b.tx_id <= %(upto)s
   AND b.tx_key > %(after)s AND b.tx_key <= %(upto)s
   AND b.effective_at >= %(since)s AND b.effective_at < %(until)s
 ORDER BY b.tx_id, b.token_id

-- name: fees
-- What the platform kept of an account's facts; the operator sees what networks took besides.
SELECT b.id, b.type, b.source, report_time(b.effective_at) AS effective_at, NULL::text AS transaction_hash,
       'eip155:' || k.chain_id AS network, k.currency, k.id AS token, (b.fee * ('1e-' || k.decimals)::numeric)::text AS fee
  FROM ledger.balance_transaction AS b
  JOIN tokens AS k ON k.id = b.token_id
  JOIN networks AS n ON n.chain_id = k.chain_id AND n.livemode = %(livemode)s
 WHERE b.account_id = %(account_id)s AND b.fee <> 0 AND b.tx_id > %(after)s AND b.tx_id <= %(upto)s
   AND b.tx_key > %(after)s AND b.tx_key <= %(upto)s
   AND b.effective_at >= %(since)s AND b.effective_at < %(until)s
 UNION ALL
SELECT ledger.public_id(x.recorded_at, x.digest, k.id), 'network', x.source_id, report_time(x.effective_at), x.source_id,
       'eip155:' || k.chain_id, k.currency, k.id, (e.amount * ('1e-' || k.decimals)::numeric)::text
  FROM ledger.account AS a
  JOIN ledger.entry AS e ON e.account_id = a.id AND e.layer = 0 AND e.tx_id > %(after)s AND e.tx_id <= %(upto)s
  JOIN ledger.tx AS x ON x.id = e.tx_id AND x.id > %(after)s AND x.id <= %(upto)s
      AND x.effective_at >= %(since)s AND x.effective_at < %(until)s
  JOIN tokens AS k ON k.id = a.token_id
  JOIN networks AS n ON n.chain_id = k.chain_id AND n.livemode = %(livemode)s
 WHERE a.code = 'expense:gas' AND EXISTS (SELECT 1 FROM accounts AS o WHERE o.id = %(account_id)s AND o.kind = 'operator')
 ORDER BY 1

-- name: statement
-- Each asset of an account: its opening, its balance transactions with the balance behind each, its closing.
WITH k AS (SELECT t.*, ('1e-' || t.decimals)::numeric AS unit FROM tokens AS t JOIN networks AS n ON n.chain_id = t.chain_id
            WHERE n.livemode = %(livemode)s),
     b AS MATERIALIZED (SELECT b.token_id, b.tx_id, b.id, b.type, b.source, b.effective_at, b.net, b.fee, b.effective_at < %(since)s AS before
             FROM ledger.balance_transaction AS b
            WHERE b.account_id = %(account_id)s AND b.tx_id > %(after)s AND b.tx_id <= %(upto)s
              AND b.tx_key > %(after)s AND b.tx_key <= %(upto)s
              AND b.effective_at >= coalesce(%(base)s::timestamptz, '-infinity') AND b.effective_at < %(until)s
            UNION ALL
           SELECT a.token_id, 0, NULL, NULL, NULL, NULL, -c.posted, 0, true
             FROM ledger.closing AS c JOIN ledger.account AS a ON a.id = c.account_id
            WHERE c.until = %(base)s AND a.code = 'available:' || %(account_id)s::text),
     lines AS (
       SELECT b.token_id, 0 AS place, 0::bigint AS tx_id, NULL::text AS id, 'opening_balance' AS type, NULL::text AS source,
              %(since)s::timestamptz AS effective_at, NULL::numeric AS gross, NULL::numeric AS fee, NULL::numeric AS net,
              coalesce(sum(b.net) FILTER (WHERE b.before), 0) AS balance
         FROM b GROUP BY b.token_id
        UNION ALL
       SELECT b.token_id, 1, b.tx_id, b.id, b.type, b.source, b.effective_at, b.net + b.fee, b.fee, b.net,
              sum(b.net) OVER (PARTITION BY b.token_id ORDER BY NOT b.before, b.tx_id)
         FROM b
        UNION ALL
       SELECT b.token_id, 2, 0, NULL, 'closing_balance', NULL, %(until)s, NULL, NULL, NULL, sum(b.net) FROM b GROUP BY b.token_id)
SELECT 'eip155:' || k.chain_id AS network, k.currency, k.id AS token, l.id, l.type, l.source,
       report_time(l.effective_at) AS effective_at, (l.gross * k.unit)::text AS gross, (l.fee * k.unit)::text AS fee,
       (l.net * k.unit)::text AS net, (l.balance * k.unit)::text AS balance
  FROM lines AS l JOIN k ON k.id = l.token_id
 WHERE l.place <> 1 OR l.effective_at >= %(since)s
 ORDER BY k.chain_id, k.currency, k.id, l.place, l.tx_id

-- name: journal
-- Every posted entry, with its account in the general ledger: that of the longest code that begins its own.
WITH a AS MATERIALIZED (
       SELECT a.id, a.code, k.id AS token_id, k.currency, 'eip155:' || k.chain_id AS network, ('1e-' || k.decimals)::numeric AS unit,
              g.number, report_text(g.name, %(guarded)s) AS name
         FROM ledger.account AS a
         JOIN tokens AS k ON k.id = a.token_id
         JOIN networks AS n ON n.chain_id = k.chain_id AND n.livemode = %(livemode)s
         LEFT JOIN LATERAL (
              SELECT j.number, j.name FROM jsonb_to_recordset(%(gl)s::jsonb) AS j (code text, number text, name text)
               WHERE a.code = j.code OR a.code LIKE j.code || ':%%' ORDER BY length(j.code) DESC LIMIT 1) AS g ON true)
SELECT e.tx_id AS transaction, e.seq AS entry, report_time(x.effective_at) AS effective_at, report_time(x.recorded_at) AS recorded_at,
       x.kind AS type, x.source_id AS source, a.code AS account, a.number AS gl_number, a.name AS gl_name, a.network, a.currency,
       a.token_id AS token, CASE WHEN e.amount > 0 THEN (e.amount * a.unit)::text END AS debit,
       CASE WHEN e.amount < 0 THEN (-e.amount * a.unit)::text END AS credit
  FROM ledger.entry AS e
  JOIN ledger.tx AS x ON x.id = e.tx_id AND x.id > %(after)s AND x.id <= %(upto)s
      AND x.effective_at >= %(since)s AND x.effective_at < %(until)s
  JOIN a ON a.id = e.account_id
 WHERE e.layer = 0 AND e.tx_id > %(after)s AND e.tx_id <= %(upto)s
 ORDER BY e.tx_id, e.seq

-- name: thresholds
-- Transfers that reach what a jurisdiction asks from, alone or with what their counterparty moved within 24 hours, of all
-- accounts. A day on both sides of the interval is counted with, and shown by the report whose it is.
WITH r AS MATERIALIZED (
       SELECT j.*, j.direction AS wanted FROM jsonb_to_recordset(%(thresholds)s::jsonb)
         AS j (rule text, jurisdiction text, threshold numeric, threshold_currency text, period text, direction text, exceeds boolean,
               worth jsonb, asks text, source text)),
     k AS MATERIALIZED (SELECT t.*, ('1e-' || t.decimals)::numeric AS unit, 'eip155:' || t.chain_id AS network
                          FROM tokens AS t JOIN networks AS n ON n.chain_id = t.chain_id WHERE n.livemode = %(livemode)s),
     x AS (SELECT x.source, split_part(x.source_id, '#', 1) AS source_id, x.effective_at FROM ledger.tx AS x
            WHERE x.source IN ('deposit', 'payout') AND x.id <= %(upto)s AND x.recorded_at >= %(since)s::timestamptz - interval '1 day'
              AND x.effective_at >= %(since)s::timestamptz - interval '1 day'
              AND x.effective_at < %(until)s::timestamptz + interval '1 day'),
     moved AS (
       SELECT 'in' AS way, d.id, d.account_id, x.effective_at, d.token_id, d.amount, d.src AS counterparty, d.tx_hash
         FROM x JOIN deposits AS d ON d.id = x.source_id AND d.kind = 'payment' WHERE x.source = 'deposit'
        UNION ALL
       SELECT 'out', p.id, p.account_id, x.effective_at, p.token_id, p.amount, p.destination, f.tx_hash
         FROM x JOIN payouts AS p ON p.id = x.source_id
         LEFT JOIN transfers AS f ON f.chain_id = p.chain_id AND f.block_hash = p.paid_block_hash AND f.log_index = p.paid_log_index
        WHERE x.source = 'payout'),
     valued AS (
       SELECT r.rule, r.jurisdiction, r.threshold, r.threshold_currency, r.period, r.exceeds, r.asks, r.source AS rule_source,
              (r.worth ->> k.currency)::numeric AS rate, m.*, k.network, k.currency, k.unit, round(m.amount * k.unit * (r.worth ->> k.currency)::numeric, 6) AS value
         FROM moved AS m JOIN k ON k.id = m.token_id JOIN r ON r.wanted IN (m.way, 'both')),
     summed AS (
       SELECT v.*, CASE v.period WHEN 'day' THEN sum(v.value) OVER (
                        PARTITION BY v.rule, v.way, v.counterparty ORDER BY v.effective_at
                        RANGE BETWEEN interval '24 hours' PRECEDING AND CURRENT ROW) ELSE v.value END AS together
         FROM valued AS v),
     highest AS (
       SELECT s.*, CASE s.period WHEN 'day' THEN max(s.together) OVER (
                        PARTITION BY s.rule, s.way, s.counterparty ORDER BY s.effective_at
                        RANGE BETWEEN CURRENT ROW AND interval '24 hours' FOLLOWING) ELSE s.together END AS most
         FROM summed AS s)
SELECT jurisdiction, rule, threshold::text AS threshold, threshold_currency, period, way AS direction, id, account_id AS account,
       report_time(effective_at) AS effective_at, network, currency, token_id AS token, (amount * unit)::text AS amount,
       rate::text AS rate, value::text AS value, most::text AS value_in_period, '0x' || encode(counterparty, 'hex') AS counterparty,
       '0x' || encode(tx_hash, 'hex') AS transaction_hash, report_text(asks, %(guarded)s) AS asks,
       report_text(rule_source, %(guarded)s) AS rule_source
  FROM highest
 WHERE effective_at >= %(since)s AND effective_at < %(until)s
   AND (value IS NULL OR most > threshold OR (most = threshold AND NOT exceeds))
 ORDER BY jurisdiction, rule, effective_at, id

-- name: travel_rule
-- What moved between customers or payees and us, of all accounts, with what was said last of its two sides: of a deposit by the
-- payment intent that it counts for, of a refund's payout by the refund, or by the payout itself.
WITH moved AS (
       SELECT x.id AS tx_id, 'in' AS direction, d.id, p.intent_id AS of, d.account_id, x.effective_at, d.token_id, d.amount, d.src, d.dst,
              d.tx_hash
         FROM ledger.tx AS x
         JOIN deposits AS d ON d.id = x.source_id AND d.kind = 'payment' AND d.livemode = %(livemode)s
         JOIN applications AS p ON p.deposit_id = d.id AND p.state = 'applied'
        WHERE x.source = 'deposit' AND x.id > %(after)s AND x.id <= %(upto)s
        UNION ALL
       SELECT x.id, 'out', p.id,
              CASE WHEN EXISTS (SELECT FROM travel_rules AS o WHERE o.object_id = p.id) THEN p.id ELSE coalesce(r.id, p.id) END,
              p.account_id, x.effective_at, p.token_id, p.amount, p.vault, p.destination, f.tx_hash
         FROM ledger.tx AS x
         JOIN payouts AS p ON p.id = split_part(x.source_id, '#', 1) AND p.livemode = %(livemode)s
         LEFT JOIN refunds AS r ON r.payout_id = p.id
         LEFT JOIN transfers AS f ON f.chain_id = p.chain_id AND f.block_hash = p.paid_block_hash AND f.log_index = p.paid_log_index
        WHERE x.source = 'payout' AND x.id > %(after)s AND x.id <= %(upto)s)
SELECT m.direction, m.id, m.of, m.account_id AS account, report_time(m.effective_at) AS effective_at,
       'eip155:' || k.chain_id AS network, k.currency, k.id AS token, (m.amount * ('1e-' || k.decimals)::numeric)::text AS amount,
       '0x' || encode(m.src, 'hex') AS from_address, '0x' || encode(m.dst, 'hex') AS to_address,
       '0x' || encode(m.tx_hash, 'hex') AS transaction_hash,
       report_text(t.originator ->> 'name', %(guarded)s) AS originator_name,
       report_text(t.originator ->> 'account_reference', %(guarded)s) AS originator_account_reference,
       report_text(t.originator ->> 'address', %(guarded)s) AS originator_address,
       report_text(t.originator ->> 'country', %(guarded)s) AS originator_country,
       report_text(t.originator ->> 'vasp', %(guarded)s) AS originator_vasp,
       report_text(t.beneficiary ->> 'name', %(guarded)s) AS beneficiary_name,
       report_text(t.beneficiary ->> 'account_reference', %(guarded)s) AS beneficiary_account_reference,
       report_text(t.beneficiary ->> 'address', %(guarded)s) AS beneficiary_address,
       report_text(t.beneficiary ->> 'country', %(guarded)s) AS beneficiary_country,
       report_text(t.beneficiary ->> 'vasp', %(guarded)s) AS beneficiary_vasp
  FROM moved AS m
  JOIN tokens AS k ON k.id = m.token_id
  LEFT JOIN LATERAL (SELECT v.originator, v.beneficiary FROM travel_rules AS v WHERE v.object_id = m.of
                      ORDER BY v.version DESC LIMIT 1) AS t ON true
 WHERE m.effective_at >= %(since)s AND m.effective_at < %(until)s
 ORDER BY m.tx_id

-- name: bounds
-- Behind which ledger transaction the facts of an interval are, the closing before it, and whether anything may still join it.
-- A closing in which something is that was booked behind the reach is none for this report.
SELECT coalesce(p.first_tx - 1, 0) AS after, p.until AS base,
       EXISTS (SELECT 1 FROM ledger.period AS c WHERE c.until >= %(until)s)
         AND NOT EXISTS (SELECT 1 FROM ledger.tx AS x WHERE x.id > %(reach)s AND x.effective_at < %(until)s) AS closed
  FROM (SELECT 1) AS one
  LEFT JOIN (SELECT * FROM ledger.period AS p
              WHERE p.until <= %(since)s
                AND NOT EXISTS (SELECT 1 FROM ledger.tx AS x WHERE x.id > %(reach)s AND x.effective_at < p.until)
              ORDER BY p.until DESC LIMIT 1) AS p ON true
