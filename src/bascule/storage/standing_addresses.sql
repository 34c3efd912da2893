-- tables: standing_addresses

-- name: of_account
-- The standing address of an account on a chain.
SELECT address, created_at FROM standing_addresses WHERE account_id = %(account_id)s AND chain_id = %(chain_id)s

-- name: insert
-- That address stands for the account, for ever.
INSERT INTO standing_addresses (account_id, chain_id, address, created_at)
VALUES (%(account_id)s, %(chain_id)s, %(address)s, %(created_at)s)

-- name: serialize
-- Nobody else makes one for the account until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('standing address ' || %(account_id)s, 0))

-- name: amounts
-- Of these deposits those at standing addresses that are believed, with their amounts in base units.
SELECT d.id, d.amount FROM deposits AS d JOIN standing_addresses AS s ON s.chain_id = d.chain_id AND s.address = d.dst
  JOIN tokens AS k ON k.id = d.token_id
 WHERE d.id = ANY(%(ids)s::text[]) AND d.amount > 0 AND d.amount * 10::numeric ^ (18 - k.decimals) <= %(most)s
