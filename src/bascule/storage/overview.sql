-- tables:

-- name: accounts
-- Every account, the operator first.
SELECT id, kind, name, created_at FROM accounts ORDER BY kind DESC, created_at, id;

-- name: deposits_in_transaction
-- Deposits that a transaction made, wherever it stands now.
SELECT id, state FROM deposits WHERE tx_hash = %(tx_hash)s ORDER BY chain_id, log_index;

-- name: transfers_in_transaction
-- Transfers of a transaction that touch our addresses, orphaned ones too.
SELECT t.chain_id, t.block_number, t.block_hash, t.log_index, t.token, t.src, t.dst, t.amount, t.canonical,
       EXISTS (SELECT 1 FROM ledger.booked AS k WHERE k.chain_id = t.chain_id AND k.block_hash = t.block_hash
               AND k.log_index = t.log_index) AS booked
FROM transfers AS t WHERE t.tx_hash = %(tx_hash)s ORDER BY t.chain_id, t.block_number, t.log_index;

-- name: attempt
-- A transaction of ours with the slot it fills.
SELECT a.chain_id, a.wallet, a.nonce, a.state, a.block_number, a.succeeded, a.fee_paid, s.kind, s.state AS slot_state
FROM attempts AS a JOIN slots AS s USING (chain_id, wallet, nonce) WHERE a.tx_hash = %(tx_hash)s;

-- name: payouts_in_slot
-- The payouts a slot pays.
SELECT payout_id, outcome FROM slot_items
WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND nonce = %(nonce)s ORDER BY position;

-- name: cursors
-- How far each chain has been read.
SELECT n.chain_id, n.name, n.finality_kind || CASE n.finality_kind WHEN 'depth' THEN ' ' || n.finality_depth ELSE '' END
       AS finality, c.next_number - 1 AS last_number, c.finalized_number, c.head_time, c.halted_reason,
       now() - c.updated_at AS silent_for, 'collector ' || f.kind AS flushes_stopped
FROM networks AS n LEFT JOIN cursors AS c USING (chain_id) LEFT JOIN stopped_flushes AS f USING (chain_id) ORDER BY n.chain_id;

-- name: now
-- The database's clock.
SELECT now() AS now, current_user AS login, current_setting('server_version') AS version;

-- name: live_keys
-- How many keys for real money still work.
SELECT count(*) FROM api_keys WHERE livemode AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now());

-- name: event
-- An event, numbered or not yet.
SELECT type, object_id, account_id, account_sequence FROM events WHERE id = %(id)s
UNION ALL
SELECT type, object_id, account_id, NULL FROM outbox WHERE event_id = %(id)s AND NOT sequenced;

-- name: deliveries_of
-- Where an event was sent.
SELECT id, state FROM deliveries WHERE event_id = %(id)s ORDER BY id;

-- name: delivery
-- An event on its way to an endpoint.
SELECT event_id, endpoint_id, state, attempts, next_at, last_status, last_error FROM deliveries WHERE id = %(id)s;

-- name: endpoint
-- A webhook endpoint and what is left to deliver to it.
SELECT e.url, e.account_id, e.state,
       (SELECT count(*) FROM deliveries AS d WHERE d.endpoint_id = e.id AND d.state = 'scheduled') AS scheduled,
       (SELECT count(*) FROM deliveries AS d WHERE d.endpoint_id = e.id AND d.state = 'exhausted') AS exhausted
  FROM webhook_endpoints AS e WHERE e.id = %(id)s;

-- name: waiting_for_people
-- The payouts of an account that wait for approvals, the oldest first, at most 100.
SELECT id FROM payouts WHERE account_id = %(id)s AND state = 'requires_action' ORDER BY created_at, id LIMIT 100;
