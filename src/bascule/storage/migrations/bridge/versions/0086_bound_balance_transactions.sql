-- `tx_id` is the entry's, so that bounds on it are bounds of the index by account; a fee is booked beside what it is of.
CREATE OR REPLACE VIEW ledger.balance_transaction AS
SELECT a.owner_account AS account_id, a.id AS ledger_account, a.token_id, e.tx_id, x.digest, x.recorded_at, x.effective_at,
       ledger.category(x.kind) AS type, split_part(x.source_id, '#', 1) AS source, x.chain_id, x.block_number,
       -sum(e.amount) AS net, CASE x.kind WHEN 'fee' THEN sum(e.amount) ELSE 0 END AS fee,
       ledger.public_id(x.recorded_at, x.digest, a.token_id) AS id
  FROM ledger.account AS a
  JOIN ledger.entry AS e ON e.account_id = a.id AND e.layer = 0
  JOIN ledger.tx AS x ON x.id = e.tx_id
 WHERE a.code LIKE 'available:%'
 GROUP BY a.owner_account, a.id, a.token_id, e.tx_id, x.id;
