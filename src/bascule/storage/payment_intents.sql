-- tables: payment_intents, deadlines, early_intents, deposit_addresses, lost_addresses

-- name: insert
-- New intents in their first state, each with the addresses that pay into it, watched for ever, and when to look at it.
WITH made AS (
    INSERT INTO payment_intents (id, account_id, livemode, currency, due, accepted_tokens, underpay_tolerance_bps,
        underpay_tolerance_abs, late_policy, overpay_policy, finality, expires_at, closes_at, client_reference_id,
        description, metadata, client_secret, quote_id, invoice_id, created_at)
    SELECT * FROM json_to_recordset(%(intents)s::json) AS i (id text, account_id text, livemode boolean, currency text,
        due numeric, accepted_tokens text[], underpay_tolerance_bps integer, underpay_tolerance_abs numeric,
        late_policy text, overpay_policy text, finality text, expires_at timestamptz, closes_at timestamptz,
        client_reference_id text, description text, metadata jsonb, client_secret text, quote_id text, invoice_id text,
        created_at timestamptz)
    RETURNING id, expires_at
), due AS (
    INSERT INTO deadlines (intent_id, due_at) SELECT id, expires_at FROM made
)
INSERT INTO deposit_addresses (chain_id, address, intent_id, account_id, factory, epoch, n)
SELECT * FROM json_to_recordset(%(addresses)s::json) AS a (chain_id bigint, address bytea, intent_id text,
    account_id text, factory bytea, epoch bigint, n bigint);

-- name: by_id
-- One intent.
SELECT * FROM payment_intents WHERE id = %(id)s;

-- name: by_ids
-- Several intents.
SELECT * FROM payment_intents WHERE id = ANY(%(ids)s::text[]);

-- name: lock
-- One intent, which stays as it is until the transaction ends.
SELECT * FROM payment_intents WHERE id = %(id)s FOR UPDATE;

-- name: lock_many
-- Some intents, which stay as they are until the transaction ends; in one order for everybody.
SELECT * FROM payment_intents WHERE id = ANY(%(ids)s::text[]) ORDER BY id FOR UPDATE;

-- name: hold_many
-- As lock_many, for who reads them later.
SELECT count(*) AS held FROM (
    SELECT FROM payment_intents WHERE id = ANY(%(ids)s::text[]) ORDER BY id FOR UPDATE
) AS h;

-- name: advance_matched
-- What has come in for some intents, computed anew from rows, and the state that makes; nothing happens to one that
-- is not in the state it is said to leave.
UPDATE payment_intents i
   SET received = n.received, confirmed = n.confirmed, flags = string_to_array(n.flags, ','), state = n.state,
       succeeded_at = CASE WHEN n.state = 'succeeded' AND n.before <> 'succeeded' THEN %(at)s::timestamptz
                           ELSE i.succeeded_at END,
       succeeded_by = CASE WHEN n.state = 'succeeded' AND n.before <> 'succeeded' THEN n.by ELSE i.succeeded_by END,
       version = i.version + n.growth
  FROM unnest(%(ids)s::text[], %(befores)s::text[], %(states)s::text[], %(received)s::numeric[],
              %(confirmed)s::numeric[], %(flags)s::text[], %(bys)s::text[],
              %(growths)s::integer[])
       AS n (id, before, state, received, confirmed, flags, by, growth)
 WHERE i.id = n.id AND i.state = n.before;

-- name: advance
-- Moves the state; nothing happens unless the intent is still in the state it is said to leave.
UPDATE payment_intents
SET state = %(to)s,
    canceled_at = CASE WHEN %(to)s::text = 'canceled' THEN %(at)s::timestamptz ELSE canceled_at END,
    succeeded_at = CASE WHEN %(to)s::text = 'succeeded' THEN %(at)s::timestamptz ELSE succeeded_at END,
    cancellation_reason = coalesce(%(reason)s::text, cancellation_reason),
    version = version + 1
WHERE id = %(id)s AND state = %(from)s
RETURNING *;

-- name: record_totals
-- What has come in and what stands beside the state, computed anew from rows.
UPDATE payment_intents
SET received = %(received)s, confirmed = %(confirmed)s, flags = %(flags)s, version = version + 1
WHERE id = %(id)s
RETURNING *;

-- name: record_refund
-- So much more went back for good.
UPDATE payment_intents SET refunded = refunded + %(units)s, version = version + 1 WHERE id = %(id)s RETURNING id;

-- name: extend
-- More time for an open intent.
UPDATE payment_intents SET expires_at = %(expires_at)s, closes_at = %(closes_at)s, version = version + 1
WHERE id = %(id)s;

-- name: lock_over
-- Intents whose deadline is over and is another one by now: they have ended, or have said that they are expired. Their
-- deadlines stay as they are until the transaction ends; what somebody else moves is left for the next look.
SELECT d.intent_id FROM deadlines d JOIN payment_intents i ON i.id = d.intent_id
 WHERE d.due_at <= %(now)s
   AND (i.state IN ('succeeded', 'canceled')
        OR (i.state = 'requires_action' AND 'expired' = ANY (i.flags) AND d.due_at < i.closes_at))
 LIMIT %(limit)s FOR NO KEY UPDATE OF d SKIP LOCKED;

-- name: pass_deadlines
-- What has ended has no deadline any more, and what has said that it is expired that of its close, read once the deadline
-- is locked: who moves the one moves the other after.
UPDATE deadlines d SET due_at = o.next
  FROM (SELECT i.id, CASE WHEN i.state = 'requires_action' THEN i.closes_at END AS next
          FROM payment_intents i
         WHERE i.id = ANY(%(ids)s::text[])
           AND (i.state IN ('succeeded', 'canceled') OR (i.state = 'requires_action' AND 'expired' = ANY (i.flags)))) o
 WHERE d.intent_id = o.id;

-- name: note_early
-- Which intents that may succeed before their money is final are covered, and wait for it.
INSERT INTO early_intents (intent_id, covered)
SELECT * FROM unnest(%(ids)s::text[], %(covered)s::boolean[])
ON CONFLICT (intent_id) DO UPDATE SET covered = excluded.covered;

-- name: change_details
-- The merchant's own words about an intent; money and state are untouched.
UPDATE payment_intents
SET description = %(description)s, metadata = %(metadata)s, version = version + 1
WHERE id = %(id)s
RETURNING *;

-- name: next_address_numbers
-- The numbers that the next intents' deposit addresses are derived from.
SELECT nextval('deposit_address_number') AS n FROM generate_series(1, %(count)s);

-- name: insert_standing
-- An address of an account that pays into no intent, watched for ever.
INSERT INTO deposit_addresses (chain_id, address, account_id, factory, epoch, n)
VALUES (%(chain_id)s, %(address)s, %(account_id)s, %(factory)s, %(epoch)s, %(n)s);

-- name: bind_addresses
-- Addresses that the same factory puts on other networks: a payer who takes the wrong network has paid us.
INSERT INTO deposit_addresses (chain_id, address, intent_id, account_id, factory, epoch, n)
SELECT DISTINCT ON (a.address) w.chain_id, a.address, a.intent_id, a.account_id, a.factory, a.epoch, a.n
  FROM networks w
  JOIN networks x ON x.deposit_factory = w.deposit_factory AND x.forwarder IS NOT DISTINCT FROM w.forwarder
                 AND x.chain_id <> w.chain_id
  JOIN deposit_addresses a ON a.chain_id = x.chain_id AND a.factory = w.deposit_factory
 WHERE w.chain_id = %(chain_id)s
ON CONFLICT DO NOTHING;

-- name: lost_up_to
-- The highest number of an epoch that is watched without an intent under one factory.
SELECT max(n) AS n FROM deposit_addresses
 WHERE chain_id = %(chain_id)s AND factory = %(factory)s AND epoch = %(epoch)s AND intent_id IS NULL;

-- name: make_lost
-- Where a part of the addresses lands, to be stored at once.
CREATE TEMPORARY TABLE IF NOT EXISTS lost_addresses (address evm_address, n bigint) ON COMMIT DELETE ROWS;

-- name: copy_lost
-- Addresses and their numbers.
COPY lost_addresses FROM STDIN;

-- name: insert_lost
-- Addresses that may have been shown and are of no intent we know: the operator's, until somebody says whose.
INSERT INTO deposit_addresses (chain_id, address, intent_id, account_id, factory, epoch, n)
SELECT %(chain_id)s, l.address, NULL, o.id, %(factory)s, %(epoch)s, l.n
  FROM lost_addresses l CROSS JOIN accounts o WHERE o.kind = 'operator'
ON CONFLICT DO NOTHING;

-- name: addresses_of
-- The deposit addresses of some intents. A list in JSON counts as a hundred whatever is in it, and each intent is
-- looked up by itself: so the plan is made once. Of an array PostgreSQL counts the elements and plans anew each time.
SELECT da.intent_id, da.chain_id, da.address
FROM jsonb_array_elements_text(%(ids)s::jsonb) AS i (id) CROSS JOIN LATERAL (
    SELECT x.intent_id, x.chain_id, x.address FROM deposit_addresses x WHERE x.intent_id = i.id OFFSET 0
) da
ORDER BY da.intent_id, da.chain_id;

-- name: deposits_of
-- The deposits of some intents in chain order, with what they count for, which says whose they are. Looked up as
-- `addresses_of` does.
SELECT a.intent_id, d.id, d.chain_id, d.tx_hash, d.state, d.amount, d.block_number, d.block_time, d.token_id,
       a.state AS application, a.reason, a.amount_applied
FROM jsonb_array_elements_text(%(ids)s::jsonb) AS i (id)
CROSS JOIN LATERAL (SELECT * FROM applications x WHERE x.intent_id = i.id OFFSET 0) a
CROSS JOIN LATERAL (SELECT * FROM deposits x WHERE x.id = a.deposit_id OFFSET 0) d
ORDER BY a.intent_id, d.block_time, d.chain_id, d.block_number, d.log_index;
