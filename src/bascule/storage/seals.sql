-- tables: seals

-- name: briefly
-- Who waits for writers lets all later writers wait behind: not for long, and rather try again.
SET LOCAL lock_timeout = '250ms'

-- name: settled
-- Up to which row of a stream nothing is under way any more.
SELECT settled_history(%(stream)s::text) AS id

-- name: newest
-- The seal that the next one builds upon.
SELECT number, coalesce(previous, '') AS previous, sealed_at, root, rows, ledger, audit
  FROM seals ORDER BY number DESC LIMIT 1

-- name: after
-- The seals behind a number, in order.
SELECT number, coalesce(previous, '') AS previous, sealed_at, root, rows, ledger, audit
  FROM seals WHERE number > %(number)s ORDER BY number LIMIT %(limit)s

-- name: insert
-- One more seal, unless somebody else was faster.
INSERT INTO seals (number, hash, previous, sealed_at, root, rows, ledger, audit)
VALUES (%(number)s, %(hash)s, nullif(%(previous)s, ''), %(sealed_at)s, %(root)s, %(rows)s, %(ledger)s, %(audit)s)
ON CONFLICT DO NOTHING RETURNING number

-- name: ledger_rows
-- Transactions with their entries, whole, and whom a payout pays; times in UTC.
SELECT x.id, jsonb_build_object('source', x.source, 'source_id', x.source_id, 'digest', encode(x.digest, 'hex'), 'kind', x.kind,
           'chain_id', x.chain_id, 'block_number', x.block_number, 'reverses', x.reverses,
           'effective_at', (x.effective_at AT TIME ZONE 'UTC')::text, 'recorded_at', (x.recorded_at AT TIME ZONE 'UTC')::text,
           'entries', (SELECT jsonb_agg(jsonb_build_array(a.code, e.token_id, e.layer, e.amount::text) ORDER BY e.seq)
                         FROM ledger.entry AS e JOIN ledger.account AS a ON a.id = e.account_id WHERE e.tx_id = x.id),
           'payout', (SELECT jsonb_build_object('id', p.id, 'account', p.account_id, 'identity', p.identity, 'token', p.token_id,
                          'vault', encode(p.vault, 'hex'), 'to', encode(p.destination, 'hex'), 'amount', p.amount::text)
                        FROM payouts AS p
                       WHERE x.source IN ('hold', 'release', 'payout') AND p.id = split_part(x.source_id, '#', 1))) AS row
  FROM ledger.tx AS x WHERE x.id > %(after)s AND x.id <= %(upto)s ORDER BY x.id LIMIT %(limit)s

-- name: audit_rows
-- Lines of audit, whole; times in UTC.
SELECT a.id, jsonb_build_object('at', (a.at AT TIME ZONE 'UTC')::text, 'db_user', a.db_user, 'actor', a.actor, 'action', a.action,
           'object_id', a.object_id, 'details', a.details::text, 'request_id', a.request_id) AS row
  FROM audit_log AS a WHERE a.id > %(after)s AND a.id <= %(upto)s ORDER BY a.id LIMIT %(limit)s
