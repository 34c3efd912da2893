-- tables:
-- Where copies of our rows are put in an empty database, to be replayed there or judged.

-- name: make_said_deposits
-- Deposits as our rows have them.
CREATE TEMPORARY TABLE said_deposits (LIKE public.deposits INCLUDING GENERATED)

-- name: make_said_applications
-- What was decided about deposits, in the end.
CREATE TEMPORARY TABLE said_applications (LIKE public.applications INCLUDING GENERATED)

-- name: make_said_versions
-- Fees of merchants, and since when.
CREATE TEMPORARY TABLE said_versions (LIKE public.fee_versions INCLUDING GENERATED)

-- name: make_said_account
-- The accounts of the books to be judged.
CREATE TEMPORARY TABLE said_account (LIKE ledger.account INCLUDING GENERATED)

-- name: make_said_tx
-- Their transactions.
CREATE TEMPORARY TABLE said_tx (LIKE ledger.tx INCLUDING GENERATED)

-- name: make_said_entry
-- Their entries.
CREATE TEMPORARY TABLE said_entry (LIKE ledger.entry INCLUDING GENERATED)

-- name: make_said_booked
-- Which transfers they book.
CREATE TEMPORARY TABLE said_booked (LIKE ledger.booked INCLUDING GENERATED)

-- name: make_said_balance
-- What their accounts stand at.
CREATE TEMPORARY TABLE said_balance (LIKE ledger.balance INCLUDING GENERATED)

-- name: make_said_period
-- Their closed periods.
CREATE TEMPORARY TABLE said_period (LIKE ledger.period INCLUDING GENERATED)

-- name: index_said_tx
-- Transactions are looked for by the fact that they book.
CREATE INDEX ON said_tx (source, source_id)

-- name: index_said_entry
-- Entries are looked for by transaction.
CREATE INDEX ON said_entry (tx_id)

-- name: columns
-- The columns of a table that are written, in their order.
SELECT a.attname AS column
  FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname = %(schema)s AND c.relname = %(table)s AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
 ORDER BY a.attnum

-- name: rules
-- Rules of commands' tables: references and checks.
SELECT c.relname AS table, k.conname AS rule
  FROM pg_constraint AS k JOIN pg_class AS c ON c.oid = k.conrelid
 WHERE c.relnamespace = 'public'::regnamespace AND k.contype IN ('c', 'f') AND k.conparentid = 0 AND k.conislocal
 ORDER BY c.relname, k.contype, k.conname

-- name: guarded
-- Commands' tables with triggers.
SELECT DISTINCT c.relname AS table
  FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
 WHERE c.relnamespace = 'public'::regnamespace AND NOT t.tgisinternal
 ORDER BY c.relname
