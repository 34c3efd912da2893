-- tables:

-- name: older
-- Ledger transactions that moved booked money of an account, below one of them, the newest first.
SELECT DISTINCT p.tx_id
  FROM ledger.account AS a
  JOIN tokens AS k ON k.id = a.token_id
  JOIN networks AS n ON n.chain_id = k.chain_id AND n.livemode = %(livemode)s
 CROSS JOIN LATERAL (
       SELECT DISTINCT e.tx_id FROM ledger.entry AS e JOIN ledger.tx AS x ON x.id = e.tx_id
        WHERE e.account_id = a.id AND e.layer = 0 AND e.tx_id < %(bound)s
          AND (%(type)s::text IS NULL OR ledger.category(x.kind) = %(type)s)
          AND (%(source)s::text IS NULL OR x.source_id = %(source)s OR x.source_id LIKE %(source)s || '#%%')
          AND x.recorded_at >= %(since)s AND x.recorded_at < %(until)s
        ORDER BY e.tx_id DESC LIMIT %(limit)s) AS p
 WHERE a.code = 'available:' || %(account_id)s::text
   AND (%(currency)s::text IS NULL OR k.currency = %(currency)s) AND (%(chain_id)s::bigint IS NULL OR k.chain_id = %(chain_id)s)
 ORDER BY p.tx_id DESC LIMIT %(limit)s

-- name: newer
-- The same above one of them, the oldest first.
SELECT DISTINCT p.tx_id
  FROM ledger.account AS a
  JOIN tokens AS k ON k.id = a.token_id
  JOIN networks AS n ON n.chain_id = k.chain_id AND n.livemode = %(livemode)s
 CROSS JOIN LATERAL (
       SELECT DISTINCT e.tx_id FROM ledger.entry AS e JOIN ledger.tx AS x ON x.id = e.tx_id
        WHERE e.account_id = a.id AND e.layer = 0 AND e.tx_id > %(bound)s
          AND (%(type)s::text IS NULL OR ledger.category(x.kind) = %(type)s)
          AND (%(source)s::text IS NULL OR x.source_id = %(source)s OR x.source_id LIKE %(source)s || '#%%')
          AND x.recorded_at >= %(since)s AND x.recorded_at < %(until)s
        ORDER BY e.tx_id LIMIT %(limit)s) AS p
 WHERE a.code = 'available:' || %(account_id)s::text
   AND (%(currency)s::text IS NULL OR k.currency = %(currency)s) AND (%(chain_id)s::bigint IS NULL OR k.chain_id = %(chain_id)s)
 ORDER BY p.tx_id LIMIT %(limit)s

-- name: recorded
-- Ledger transactions that were recorded in a stretch of time and moved booked money of an account.
SELECT x.id AS tx_id FROM ledger.tx AS x
 WHERE x.recorded_at >= %(since)s AND x.recorded_at < %(until)s
   AND EXISTS (SELECT 1 FROM ledger.entry AS e JOIN ledger.account AS a ON a.id = e.account_id
                 JOIN tokens AS k ON k.id = a.token_id JOIN networks AS n ON n.chain_id = k.chain_id AND n.livemode = %(livemode)s
                WHERE e.tx_id = x.id AND e.layer = 0 AND a.code = 'available:' || %(account_id)s::text)

-- name: of_txs
-- Balance transactions of an account, the newest first.
SELECT b.id, b.tx_id, b.recorded_at, b.effective_at, b.type, b.source, b.net, b.fee, b.token_id, k.currency, k.decimals,
       k.chain_id
  FROM ledger.balance_transaction AS b JOIN tokens AS k ON k.id = b.token_id
 WHERE b.account_id = %(account_id)s AND b.tx_id = ANY (%(tx_ids)s::bigint[])
 ORDER BY b.tx_id DESC, b.token_id
