-- tables: ledger.account, ledger.balance, ledger.tx, ledger.entry, ledger.booked
-- Written by the posting functions of the migration alone; here they are only called.

-- name: post_opening
-- Books what an address held when we began to watch it.
SELECT ledger.post_opening(%(opening_id)s::text) AS tx_id

-- name: post_deposit
-- Books a finalised deposit.
SELECT p.tx_id, ledger.post_fees(ARRAY[%(deposit_id)s::text], p.tx_id) AS charged
  FROM ledger.post_deposit(%(deposit_id)s::text) AS p (tx_id)

-- name: post_deposits
-- Books finalised deposits together, then what their merchants are charged for them.
SELECT ledger.post_fees(%(deposit_ids)s::text[], ledger.post_deposits(%(deposit_ids)s::text[])) AS charged

-- name: post_application
-- Books what was decided about a booked deposit.
SELECT p.tx_id, ledger.post_fees(ARRAY[%(deposit_id)s::text], p.tx_id) AS charged
  FROM ledger.post_application(%(deposit_id)s::text) AS p (tx_id)

-- name: post_screening
-- Moves booked money that screening holds out of suspense, or back.
SELECT ledger.post_screening(%(screening_id)s::text) AS tx_id

-- name: post_refund
-- Makes what was paid too much the merchant's, as far as a refund is of it.
SELECT ledger.post_refund(%(refund_id)s::text) AS tx_id

-- name: post_internal
-- Books a final transfer between addresses of ours.
SELECT ledger.post_internal(%(chain_id)s::bigint, %(block_hash)s::bytea, %(log_index)s::integer) AS tx_id

-- name: post_found
-- Books that an outflow or a payout went to an address that is ours after all.
SELECT ledger.post_found(%(chain_id)s::bigint, %(block_hash)s::bytea, %(log_index)s::integer)

-- name: post_outflow
-- Books a final transfer that left us without a payout.
SELECT booked_id, explained FROM ledger.post_outflow(%(chain_id)s::bigint, %(block_hash)s::bytea, %(log_index)s::integer)

-- name: post_losses
-- Charges the operator with outflows that a person has looked at.
SELECT ledger.post_losses(%(chain_id)s::bigint) AS borne

-- name: post_hold
-- Sets a pending payout's money aside.
SELECT ledger.post_hold(%(payout_id)s::text) AS tx_id

-- name: post_holds
-- Sets the money of several pending payouts aside.
SELECT count(ledger.post_hold(n.id)) AS holds FROM unnest(%(payout_ids)s::text[]) AS n (id)

-- name: post_release
-- Gives a payout's held money back.
SELECT ledger.post_release(%(payout_id)s::text) AS tx_id

-- name: post_payout
-- Books a paid payout, and what lies at its payee if that is ours.
SELECT ledger.post_payout(%(payout_id)s::text) AS tx_id, ledger.post_found_payouts(ARRAY[%(payout_id)s::text]) AS found

-- name: post_payouts
-- Books paid payouts together, and what lies at those payees that are ours.
SELECT ledger.post_payouts(%(payout_ids)s::text[]) AS booked, ledger.post_found_payouts(%(payout_ids)s::text[]) AS found

-- name: post_gas
-- Books what a final attempt cost.
SELECT ledger.post_gas(%(tx_hash)s::bytea) AS tx_id

-- name: balances_of
-- Every ledger account that is owed to this account, by code and token.
SELECT code, token_id, posted, held_debit, held_credit, available
  FROM ledger.balances
 WHERE owner_account = %(account_id)s
 ORDER BY code, token_id

-- name: balances
-- Every ledger account there is, by code and token.
SELECT code, token_id, posted, held_debit, held_credit, available
  FROM ledger.balances
 ORDER BY code, token_id

-- name: custody_at
-- What the journal says we hold of a token on chain, up to and including a block.
SELECT coalesce(sum(e.amount), 0) AS held
  FROM ledger.account AS a
  JOIN ledger.entry AS e ON e.account_id = a.id AND e.layer = 0
  JOIN ledger.tx AS t ON t.id = e.tx_id
 WHERE a.token_id = %(token_id)s
   AND a.code LIKE 'custody:%%'
   AND t.block_number <= %(block_number)s

-- name: transaction_of
-- The booking of one source, if there is one.
SELECT id, kind, chain_id, block_number, effective_at, recorded_at
  FROM ledger.tx
 WHERE source = %(source)s
   AND source_id = %(source_id)s

-- name: touches
-- Whether there is such a transaction, with an entry of the token if one is named.
SELECT EXISTS (SELECT FROM ledger.entry AS e
                WHERE e.tx_id = %(tx_id)s AND e.token_id = coalesce(%(token_id)s::text, e.token_id)) AS found

-- name: trial_balance
-- What all posted and all held entries sum to, per token.
SELECT token_id, posted, held FROM ledger.trial_balance()

-- name: verify
-- Everything in the books that contradicts itself or the rows it was read from.
SELECT rule, subject, found FROM ledger.verify()

-- name: verify_applications
-- Deposits that are credited otherwise than they are applied.
SELECT rule, subject, found FROM ledger.verify_applications()
