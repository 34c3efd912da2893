-- tables: authorizations, token_domains, facilitators

-- name: insert
-- What a payer signed, unless the nonce or the identifier is known.
INSERT INTO authorizations (id, account_id, livemode, chain_id, token_id, payer, nonce, pay_to, amount, valid_after, valid_before,
                            signature, identifier, resource, since_block, look_at, created_at)
VALUES (%(id)s, %(account_id)s, %(livemode)s, %(chain_id)s, %(token_id)s, %(payer)s, %(nonce)s, %(pay_to)s, %(amount)s,
        %(valid_after)s, %(valid_before)s, %(signature)s, %(identifier)s, %(resource)s, %(since_block)s, %(now)s, %(now)s)
ON CONFLICT DO NOTHING
RETURNING id

-- name: get
-- One authorization, with its token's contract, the transaction it was paid by, and the newest that carries it.
SELECT a.*, k.contract, k.currency, k.decimals, d.tx_hash AS paid_by,
       (SELECT t.tx_hash FROM attempts AS t WHERE t.chain_id = a.chain_id AND t.wallet = a.wallet AND t.nonce = a.slot
         ORDER BY t.created_at DESC, t.max_fee_per_gas DESC LIMIT 1) AS carried_by
  FROM authorizations AS a JOIN tokens AS k ON k.id = a.token_id LEFT JOIN deposits AS d ON d.id = a.deposit_id
 WHERE a.id = %(id)s

-- name: id_of_nonce
-- Which authorization a payer's nonce is of.
SELECT id FROM authorizations WHERE token_id = %(token_id)s AND payer = %(payer)s AND nonce = %(nonce)s

-- name: id_of_identifier
-- Which authorization an account's identifier is of.
SELECT id FROM authorizations
 WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND identifier = %(identifier)s

-- name: id_of_slot
-- Which authorization a nonce of ours carries.
SELECT id FROM authorizations WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND slot = %(nonce)s

-- name: id_of_deposits
-- Which authorizations paid these deposits.
SELECT deposit_id, id FROM authorizations WHERE deposit_id = ANY(%(deposit_ids)s::text[])

-- name: turn
-- The oldest one that no nonce carries and that can be presented now.
SELECT id FROM authorizations
 WHERE chain_id = %(chain_id)s AND state = 'pending' AND slot IS NULL AND look_at <= %(now)s
   AND valid_after < %(seconds)s AND valid_before > %(seconds)s
 ORDER BY created_at, id LIMIT 1

-- name: take
-- A nonce carries it.
UPDATE authorizations SET wallet = %(wallet)s, slot = %(nonce)s, waits_for = NULL
 WHERE id = %(id)s AND state = 'pending' AND slot IS NULL

-- name: let_go
-- The nonce carries it no more, whatever came of it.
UPDATE authorizations SET wallet = NULL, slot = NULL, look_at = %(look_at)s, waits_for = %(why)s
 WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND slot = %(nonce)s

-- name: wait
-- It is looked at again later.
UPDATE authorizations SET look_at = %(look_at)s, waits_for = %(why)s WHERE id = %(id)s AND state = 'pending'

-- name: pending
-- Those of a chain of which nobody knows yet what comes of them: what nonces carry, then what waits for its next look.
SELECT a.id, k.contract, a.payer, a.nonce, a.pay_to, a.amount, a.valid_before, a.since_block
  FROM authorizations AS a JOIN tokens AS k ON k.id = a.token_id
 WHERE a.chain_id = %(chain_id)s AND a.state = 'pending' ORDER BY a.slot IS NULL, a.look_at, a.id LIMIT %(most)s

-- name: moved
-- Whether a deposit of an included one is no longer only detected.
SELECT EXISTS (SELECT FROM authorizations AS a JOIN deposits AS d ON d.id = a.deposit_id
                WHERE a.chain_id = %(chain_id)s AND a.state = 'included' AND d.state <> 'detected') AS moved

-- name: deposit_of_use
-- The deposit that a Transfer of an authorization became, if it answers for no other.
SELECT d.id FROM deposits AS d
 WHERE d.chain_id = %(chain_id)s AND d.tx_hash = %(tx_hash)s AND d.block_hash = %(block_hash)s AND d.log_index = %(log_index)s
   AND d.state IN ('detected', 'finalized')
   AND NOT EXISTS (SELECT FROM authorizations AS o WHERE o.deposit_id = d.id)

-- name: alike
-- The deposits that answer for no authorization and look like what this one pays.
SELECT d.id, d.tx_hash
  FROM authorizations AS a
  JOIN deposits AS d ON (d.chain_id, d.token_id, d.src, d.dst, d.amount::numeric)
                      = (a.chain_id, a.token_id, a.payer, a.pay_to, a.amount::numeric)
 WHERE a.id = %(id)s AND d.block_number > a.since_block AND d.state <> 'orphaned'
   AND NOT EXISTS (SELECT FROM authorizations AS o WHERE o.deposit_id = d.id)

-- name: advance_include
-- The token moved its money, and this deposit is it.
UPDATE authorizations SET state = %(to)s, deposit_id = %(deposit_id)s, waits_for = NULL, version = version + 1
 WHERE id = %(id)s AND state = %(from_)s

-- name: advance_orphan
-- The blocks of their deposits left the canonical chain.
UPDATE authorizations AS a SET state = %(to)s, deposit_id = NULL, version = a.version + 1
  FROM deposits AS d
 WHERE a.chain_id = %(chain_id)s AND a.state = %(from_)s AND d.id = a.deposit_id AND d.state = 'orphaned'
RETURNING a.id

-- name: advance_finalize
-- Their deposits are final.
UPDATE authorizations AS a SET state = %(to)s, ended_at = %(now)s, version = a.version + 1
  FROM deposits AS d
 WHERE a.chain_id = %(chain_id)s AND a.state = %(from_)s AND d.id = a.deposit_id AND d.state = 'finalized'
RETURNING a.id

-- name: advance_fail
-- It can never pay.
UPDATE authorizations SET state = %(to)s, failure_code = %(failure)s, ended_at = %(now)s, waits_for = NULL, version = version + 1
 WHERE id = %(id)s AND state = %(from_)s

-- name: publish_domain
-- Under which name and version a token's holders sign.
INSERT INTO token_domains (token_id, name, version) VALUES (%(token_id)s, %(name)s, %(version)s)
ON CONFLICT (token_id) DO UPDATE SET name = excluded.name, version = excluded.version

-- name: domain_of
-- Under which name and version a token's holders sign.
SELECT name, version FROM token_domains WHERE token_id = %(token_id)s

-- name: domains
-- Of every token with a domain on a chain with a facilitator, its contract and domain, and the facilitator's wallet.
SELECT k.chain_id, w.livemode, k.contract, d.name, d.version, f.address AS wallet
  FROM token_domains AS d
  JOIN tokens AS k ON k.id = d.token_id AND k.accepted AND k.offered
  JOIN networks AS w ON w.chain_id = k.chain_id
  JOIN wallets AS f ON f.chain_id = k.chain_id AND f.name = %(lane)s
 ORDER BY k.chain_id, k.currency, k.contract

-- name: set_budget
-- What presenting authorizations may cost on a chain.
INSERT INTO facilitators (chain_id, max_fee_per_gas, max_per_day) VALUES (%(chain_id)s, %(max_fee_per_gas)s, %(max_per_day)s)
ON CONFLICT (chain_id) DO UPDATE SET max_fee_per_gas = excluded.max_fee_per_gas, max_per_day = excluded.max_per_day

-- name: left_today
-- Wei of the day's gas that are not given out yet, counted at the most that the wallet's transactions can cost.
SELECT f.max_per_day - f.max_fee_per_gas * coalesce(sum(s.gas), 0) - f.max_fee_per_gas * %(gas)s AS left
  FROM facilitators AS f
  LEFT JOIN wallets AS w ON w.chain_id = f.chain_id AND w.name = %(lane)s
  LEFT JOIN slots AS s ON s.chain_id = w.chain_id AND s.wallet = w.address AND s.kind = 'service' AND s.created_at > now() - %(day)s::interval
 WHERE f.chain_id = %(chain_id)s GROUP BY f.chain_id

-- name: has_room
-- Whether a wallet may give another nonce away: fewer are on their way, each was sent, and each moves.
SELECT count(*) < %(most)s AND coalesce(bool_and(state = 'broadcast' AND stuck IS NULL), true) AS has_room
  FROM slots WHERE chain_id = %(chain_id)s AND wallet = %(wallet)s AND state NOT IN ('mined', 'final')

-- name: on_their_way
-- What the other authorizations of a payer that nonces carry may take from it.
SELECT coalesce(sum(o.amount), 0) AS amount
  FROM authorizations AS a JOIN authorizations AS o ON (o.token_id, o.payer) = (a.token_id, a.payer) AND o.id <> a.id
 WHERE a.id = %(id)s AND o.state = 'pending' AND o.slot IS NOT NULL

-- name: listed
-- Whether an address stands on a screening list now.
SELECT EXISTS (SELECT FROM screening_entries WHERE address = %(address)s AND until IS NULL) AS listed

-- name: every
-- The newest ones of all accounts.
SELECT id, account_id, state, failure_code, waits_for, amount, created_at FROM authorizations ORDER BY created_at DESC, id DESC LIMIT %(limit)s
