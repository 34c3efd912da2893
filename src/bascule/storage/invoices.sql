-- tables: invoices, invoiced_months

-- name: insert
-- A new draft.
INSERT INTO invoices (id, account_id, livemode, type, state, currency, lines, subtotal, tax, total, tax_name, customer, seller,
                      due_at, client_reference_id, description, metadata, created_at)
VALUES (%(id)s, %(account_id)s, %(livemode)s, 'customer', 'draft', %(currency)s, %(lines)s, %(subtotal)s, %(tax)s, %(total)s,
        %(tax_name)s, %(customer)s, %(seller)s, %(due_at)s, %(client_reference_id)s, %(description)s, %(metadata)s, %(created_at)s)

-- name: insert_fees
-- The fees of a month, which are withheld already.
INSERT INTO invoices (id, account_id, livemode, type, state, currency, lines, subtotal, tax, total, tax_name, customer, seller,
                      month, created_at, finalized_at, paid_at)
VALUES (%(id)s, %(account_id)s, %(livemode)s, 'platform_fees', 'paid', %(currency)s, %(lines)s, %(subtotal)s, %(tax)s, %(total)s,
        %(tax_name)s, %(customer)s, %(seller)s, %(month)s, %(at)s, %(at)s, %(at)s)

-- name: of_ids
-- Several invoices, each with the payment intent that asks for it.
SELECT v.*, i.id AS payment_intent_id, i.state AS payment_state, coalesce(i.received, 0) AS received,
       coalesce('held' = ANY (i.flags), false) AS held
  FROM invoices AS v LEFT JOIN payment_intents AS i ON i.invoice_id = v.id
 WHERE v.id = ANY (%(ids)s::text[]) ORDER BY v.id

-- name: lock
-- One invoice, which stays as it is until the transaction ends. Its intent, where it has one, is locked before.
SELECT id FROM invoices WHERE id = %(id)s FOR UPDATE

-- name: change
-- A draft as its merchant wants it now.
UPDATE invoices
   SET lines = %(lines)s, subtotal = %(subtotal)s, tax = %(tax)s, total = %(total)s, tax_name = %(tax_name)s,
       customer = %(customer)s, seller = %(seller)s, due_at = %(due_at)s, client_reference_id = %(client_reference_id)s,
       description = %(description)s, metadata = %(metadata)s, version = version + 1
 WHERE id = %(id)s AND state = 'draft'

-- name: advance_to_open
-- A draft is final: it gets its number from the database.
UPDATE invoices
   SET state = 'open', seller = %(seller)s, due_at = %(due_at)s, reminded = %(reminded)s, finalized_at = %(at)s, version = version + 1
 WHERE id = %(id)s AND state = 'draft'

-- name: advance
-- Moves the state of one that is in the state it is said to leave.
UPDATE invoices
   SET state = %(to)s, version = version + 1,
       voided_at = CASE WHEN %(to)s::text = 'void' THEN %(at)s::timestamptz ELSE voided_at END,
       uncollectible_at = CASE WHEN %(to)s::text = 'uncollectible' THEN %(at)s::timestamptz ELSE uncollectible_at END
 WHERE id = %(id)s AND state = %(from_)s

-- name: advance_to_paid
-- Their intents have succeeded.
UPDATE invoices SET state = 'paid', paid_at = %(at)s, version = version + 1
 WHERE id = ANY (%(ids)s::text[]) AND state IN ('open', 'uncollectible')
RETURNING id

-- name: remind
-- The latest reminder that was told.
UPDATE invoices SET reminded = %(reminded)s, version = version + 1
 WHERE id = %(id)s AND state = 'open' AND reminded < %(reminded)s

-- name: to_remind
-- Open invoices nobody has paid, nor sent money for that is being looked at, with a reminder to be told: the n-th of those that are due before bounds[n].
SELECT v.id
  FROM invoices AS v JOIN payment_intents AS i ON i.invoice_id = v.id AND i.state = 'requires_action' AND NOT 'held' = ANY (i.flags)
 WHERE v.state = 'open' AND v.reminded < 3 AND v.due_at <= (%(bounds)s::timestamptz[])[v.reminded + 1]
   AND v.due_at <= (%(bounds)s::timestamptz[])[1]
 ORDER BY v.due_at LIMIT %(limit)s

-- name: closed_months
-- Months whose books are closed and whose fees stand in no invoices, the oldest first.
SELECT m::date AS month
  FROM (SELECT min(p.since) AS since, max(p.until) AS until FROM ledger.period AS p) AS b
 CROSS JOIN LATERAL generate_series(date_trunc('month', b.since AT TIME ZONE 'UTC'), b.until AT TIME ZONE 'UTC', interval '1 month') AS m
 WHERE m + interval '1 month' <= b.until AT TIME ZONE 'UTC' AND NOT EXISTS (SELECT FROM invoiced_months AS i WHERE i.month = m::date)
 ORDER BY m LIMIT %(limit)s

-- name: fees_of_month
-- What was kept in a month by the booked fee transactions, by account, mode, currency and token.
SELECT d.account_id, d.livemode, f.currency, k.id AS token_id, k.decimals, n.name AS network, count(*) AS payments,
       sum(f.gross) AS gross, sum(f.share) AS share, sum(f.fixed) AS fixed
  FROM ledger.tx AS x
  JOIN fees AS f ON f.tx_id = x.id AND f.deposit_id = x.source_id
  JOIN deposits AS d ON d.id = f.deposit_id
  JOIN tokens AS k ON k.id = d.token_id
  JOIN networks AS n ON n.chain_id = k.chain_id
 WHERE x.kind = 'fee' AND x.effective_at >= %(month)s::timestamp AT TIME ZONE 'UTC'
   AND x.effective_at < (%(month)s::timestamp + interval '1 month') AT TIME ZONE 'UTC'
   AND x.id >= coalesce((SELECT max(p.first_tx) FROM ledger.period AS p WHERE p.until <= %(month)s::timestamp AT TIME ZONE 'UTC'), 0)
 GROUP BY d.account_id, d.livemode, f.currency, k.id, k.decimals, n.name
 ORDER BY d.account_id, d.livemode, f.currency, n.name, k.id

-- name: claim_month
-- Who writes this row writes all fee invoices of the month in the same transaction; others wait for it, and find it done.
INSERT INTO invoiced_months (month) VALUES (%(month)s) ON CONFLICT DO NOTHING
