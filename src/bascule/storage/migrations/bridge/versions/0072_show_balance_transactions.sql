-- What a kind of booking is to the account it moves money of.
CREATE FUNCTION ledger.category(kind text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE kind WHEN 'deposit' THEN 'payment' WHEN 'application' THEN 'payment' WHEN 'outflow' THEN 'withdrawal' ELSE kind END;

-- One row per booked transaction, account and asset: `net` is what it did to the account's booked money, so the sum of all is
-- its balance; `fee` is the platform's part of the same transaction. Held money is booked money: holds are no rows.
CREATE VIEW ledger.balance_transaction AS
SELECT a.owner_account AS account_id, a.id AS ledger_account, a.token_id, x.id AS tx_id, x.digest, x.recorded_at, x.effective_at,
       ledger.category(x.kind) AS type, split_part(x.source_id, '#', 1) AS source, x.chain_id, x.block_number,
       -sum(e.amount) AS net,
       coalesce((SELECT -sum(f.amount) FROM ledger.entry AS f JOIN ledger.account AS i ON i.id = f.account_id
                  WHERE f.tx_id = x.id AND f.layer = 0 AND f.token_id = a.token_id AND i.code LIKE 'income:fee%'), 0) AS fee
  FROM ledger.account AS a
  JOIN ledger.entry AS e ON e.account_id = a.id AND e.layer = 0
  JOIN ledger.tx AS x ON x.id = e.tx_id
 WHERE a.code LIKE 'available:%'
 GROUP BY a.owner_account, a.id, a.token_id, x.id;

-- An id says when its transaction was recorded: found by that, without an index as large as the journal.
CREATE INDEX ledger_tx_by_recording ON ledger.tx USING brin (recorded_at) WITH (pages_per_range = 32);

REVOKE ALL ON FUNCTION ledger.category(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.category(text) TO bascule_api, bascule_worker;
GRANT SELECT ON ledger.balance_transaction TO bascule_api, bascule_worker;
