-- tables: own_addresses, treasury_sources, openings

-- name: add_own
-- Registers an address we hold money at.
INSERT INTO own_addresses (chain_id, address, kind) VALUES (%(chain_id)s, %(address)s, %(kind)s)
ON CONFLICT (chain_id, address) DO NOTHING;

-- name: add_treasury_source
-- Registers an outside address whose arrivals are the operator's capital.
INSERT INTO treasury_sources (chain_id, address, label) VALUES (%(chain_id)s, %(address)s, %(label)s)
ON CONFLICT (chain_id, address) DO NOTHING;

-- name: treasury_sources
-- The outside addresses whose arrivals are capital, with the chain's name.
SELECT s.chain_id, n.name, s.address, s.label FROM treasury_sources AS s JOIN networks AS n USING (chain_id)
 ORDER BY s.chain_id, s.address;

-- name: own
-- Our own addresses on a chain, besides deposit addresses.
SELECT address, kind FROM own_addresses WHERE chain_id = %(chain_id)s ORDER BY kind, address;

-- name: is_ours
-- Whether money at this address would be ours: an own address, a deposit address or a token contract.
SELECT EXISTS (SELECT FROM own_addresses WHERE chain_id = %(chain_id)s AND address = %(address)s)
    OR EXISTS (SELECT FROM deposit_addresses WHERE chain_id = %(chain_id)s AND address = %(address)s)
    OR EXISTS (SELECT FROM tokens WHERE chain_id = %(chain_id)s AND contract = %(address)s) AS ours;

-- name: deposit_addresses_of
-- The deposit addresses of an intent.
SELECT chain_id, address, factory, epoch, n
  FROM deposit_addresses WHERE intent_id = %(intent_id)s ORDER BY chain_id;

-- name: deposit_address_at
-- A deposit address by what it is called on chain.
SELECT chain_id, address, factory, epoch, n
  FROM deposit_addresses WHERE chain_id = %(chain_id)s AND address = %(address)s;

-- name: first_deposit_address_at
-- When the first deposit address on a chain was made.
SELECT min(i.created_at) AS made_at
  FROM deposit_addresses a
  JOIN payment_intents i ON i.id = a.intent_id
 WHERE a.chain_id = %(chain_id)s;

-- name: to_open
-- The (address, token) pairs whose first balance is not recorded: booked tokens everywhere, the coin at wallets.
-- What an address paid us before it was ours is a deposit; until that is final, its first balance waits.
SELECT o.address, t.contract AS token
  FROM own_addresses o
  JOIN tokens t ON t.chain_id = o.chain_id
 WHERE o.chain_id = %(chain_id)s
   AND (t.accepted OR (o.kind = 'wallet' AND t.contract = decode(repeat('00', 20), 'hex')))
   AND NOT EXISTS (SELECT FROM openings p
                    WHERE p.chain_id = o.chain_id AND p.address = o.address AND p.token = t.contract)
   AND NOT EXISTS (SELECT FROM deposits d
                    WHERE d.chain_id = o.chain_id AND d.src = o.address AND d.token = t.contract
                      AND d.state = 'detected')
 ORDER BY o.address, t.contract;

-- name: record_openings
-- What addresses of ours held at the end of a block.
INSERT INTO openings (id, chain_id, address, token, block_number, block_hash, amount)
SELECT n.id, %(chain_id)s, n.address, n.token, %(block_number)s, %(block_hash)s, n.amount
  FROM unnest(%(ids)s::text[], %(addresses)s::bytea[], %(tokens)s::bytea[], %(amounts)s::numeric[])
       AS n (id, address, token, amount);

-- name: openings_between
-- The openings taken after one block and up to another, oldest first.
SELECT id FROM openings
 WHERE chain_id = %(chain_id)s AND block_number > %(after)s AND block_number <= %(upto)s AND amount > 0
 ORDER BY block_number, id;
