-- tables: seals

-- name: briefly
-- Who waits for writers lets all later writers wait behind: not for long, and rather try again.
SET LOCAL lock_timeout = '250ms'

-- name: settled
-- Up to which row of a stream nothing is under way any more.
SELECT settled_history(%(stream)s::text) AS id

-- name: newest
-- The seal that the next one builds upon.
SELECT number, coalesce(previous, '') AS previous, sealed_at, root, rows, ledger, audit, payouts
  FROM seals ORDER BY number DESC LIMIT 1

-- name: after
-- The seals behind a number, in order.
SELECT number, coalesce(previous, '') AS previous, sealed_at, root, rows, ledger, audit, payouts
  FROM seals WHERE number > %(number)s ORDER BY number LIMIT %(limit)s

-- name: insert
-- One more seal, unless somebody else was faster.
INSERT INTO seals (number, hash, previous, sealed_at, root, rows, ledger, audit, payouts)
VALUES (%(number)s, %(hash)s, nullif(%(previous)s, ''), %(sealed_at)s, %(root)s, %(rows)s, %(ledger)s, %(audit)s, %(payouts)s)
ON CONFLICT DO NOTHING RETURNING number

-- name: ledger_rows
-- Transactions with their entries, whole, and whom a payout pays; times in UTC.
SELECT x.id, jsonb_build_object('source', x.source, 'source_id', x.source_id, 'digest', encode(x.digest, 'hex'), 'kind', x.kind,
           'chain_id', x.chain_id, 'block_number', x.block_number, 'reverses', x.reverses,
           'effective_at', (x.effective_at AT TIME ZONE 'UTC')::text, 'recorded_at', (x.recorded_at AT TIME ZONE 'UTC')::text,
           'entries', (SELECT jsonb_agg(jsonb_build_array(a.code, e.token_id, e.layer, e.amount::text) ORDER BY e.seq)
                         FROM ledger.entry AS e JOIN ledger.account AS a ON a.id = e.account_id WHERE e.tx_id = x.id),
           'payout', (SELECT jsonb_build_object('id', p.id, 'account', p.account_id, 'identity', p.identity, 'token', p.token_id,
                          'vault', encode(coalesce(p.first_vault, p.vault), 'hex'), 'to', encode(p.destination, 'hex'), 'amount', p.amount::text)
                        FROM payouts AS p
                       WHERE x.source IN ('hold', 'release', 'payout') AND p.id = split_part(x.source_id, '#', 1))) AS row
  FROM ledger.tx AS x WHERE x.id > %(after)s AND x.id <= %(upto)s ORDER BY x.id LIMIT %(limit)s

-- name: audit_rows
-- Lines of audit, whole; times in UTC.
SELECT a.id, jsonb_build_object('at', (a.at AT TIME ZONE 'UTC')::text, 'db_user', a.db_user, 'actor', a.actor, 'action', a.action,
           'object_id', a.object_id, 'details', a.details::text, 'request_id', a.request_id) AS row
  FROM audit_log AS a WHERE a.id > %(after)s AND a.id <= %(upto)s ORDER BY a.id LIMIT %(limit)s

-- name: payouts_rows
-- Payouts as they were asked for, whole: what never changes of them; times in UTC.
SELECT l.id, jsonb_build_object('id', p.id, 'account', p.account_id, 'livemode', p.livemode, 'identity', p.identity,
           'token', p.token_id, 'chain_id', p.chain_id, 'vault', encode(coalesce(p.first_vault, p.vault), 'hex'), 'to', encode(p.destination, 'hex'),
           'amount', p.amount::text, 'client_reference_id', p.client_reference_id, 'description', p.description,
           'batch', p.batch_id, 'place', p.batch_position, 'maker', encode(p.maker, 'hex'), 'reissue_of', p.reissue_of,
           'requested_by', p.requested_by, 'created_at', (p.created_at AT TIME ZONE 'UTC')::text) AS row
  FROM payout_log AS l LEFT JOIN payouts AS p ON p.id = l.payout_id
 WHERE l.id > %(after)s AND l.id <= %(upto)s ORDER BY l.id LIMIT %(limit)s
