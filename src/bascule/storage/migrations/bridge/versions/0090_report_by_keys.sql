-- `tx_key` is the same number as `tx_id`, of the other table: bounds on one say nothing to the planner of the other, which
-- then reads every transaction there is. A stretch is bounded by both.
CREATE OR REPLACE VIEW ledger.balance_transaction AS
SELECT a.owner_account AS account_id, a.id AS ledger_account, a.token_id, e.tx_id, x.digest, x.recorded_at, x.effective_at,
       ledger.category(x.kind) AS type, split_part(x.source_id, '#', 1) AS source, x.chain_id, x.block_number,
       -sum(e.amount) AS net, CASE x.kind WHEN 'fee' THEN sum(e.amount) ELSE 0 END AS fee,
       ledger.public_id(x.recorded_at, x.digest, a.token_id) AS id, x.id AS tx_key
  FROM ledger.account AS a
  JOIN ledger.entry AS e ON e.account_id = a.id AND e.layer = 0
  JOIN ledger.tx AS x ON x.id = e.tx_id
 WHERE a.code LIKE 'available:%'
 GROUP BY a.owner_account, a.id, a.token_id, e.tx_id, x.id;

-- The same as before, but said to be no more immutable than what it calls: only so is it made part of the query itself,
-- and not called for each row.
CREATE OR REPLACE FUNCTION ledger.public_id(recorded_at timestamptz, digest bytea, token_id text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN 'txn_' || lpad(to_hex(floor(extract(epoch FROM recorded_at) * 1000)::bigint), 12, '0')
       || encode(substr(sha256(digest || convert_to(token_id, 'UTF8')), 1, 10), 'hex');
