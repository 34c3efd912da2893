-- tables: tokens

-- name: publish
-- Adds a token, or changes what may change of it: its name, whether it counts as payment and is offered as such.
INSERT INTO tokens (id, chain_id, contract, currency, name, decimals, accepted, offered)
VALUES (%(id)s, %(chain_id)s, %(contract)s, %(currency)s, %(name)s, %(decimals)s, %(accepted)s, %(offered)s)
ON CONFLICT (chain_id, contract) DO UPDATE
   SET name = excluded.name, accepted = excluded.accepted, offered = excluded.offered
 WHERE tokens.currency = excluded.currency AND tokens.decimals = excluded.decimals
RETURNING id;

-- name: get
-- The token with this id.
SELECT k.*, s.suspended FROM tokens k LEFT JOIN suspended_tokens s ON s.token_id = k.id WHERE k.id = %(id)s;

-- name: by_contract
-- The token at this contract.
SELECT k.*, s.suspended FROM tokens k LEFT JOIN suspended_tokens s ON s.token_id = k.id
 WHERE k.chain_id = %(chain_id)s AND k.contract = %(contract)s;

-- name: every
-- All tokens, by chain and currency.
SELECT k.*, s.suspended FROM tokens k LEFT JOIN suspended_tokens s ON s.token_id = k.id
 ORDER BY k.chain_id, k.currency, k.contract;

-- name: withdraw
-- Tokens of a chain that are offered no more: all but some contracts.
UPDATE tokens SET offered = false
 WHERE chain_id = %(chain_id)s AND accepted AND offered AND contract <> ALL(%(but)s::bytea[])
RETURNING id;

-- name: accepted
-- The contracts on a chain that count as payment.
SELECT contract FROM tokens WHERE chain_id = %(chain_id)s AND accepted;

-- name: set_floors
-- From which amounts on arrivals of a token count.
UPDATE tokens SET dust = %(dust)s, minimum = %(minimum)s WHERE id = %(id)s;
