-- tables: wallets, lanes

-- name: add_wallet
-- A wallet the submitter takes nonces of; next_nonce is where the chain stands.
INSERT INTO wallets (chain_id, address, name, next_nonce)
VALUES (%(chain_id)s, %(address)s, %(name)s, %(next_nonce)s)
ON CONFLICT (chain_id, address) DO NOTHING

-- name: open
-- A lane of a vault, operated by one wallet.
INSERT INTO lanes (chain_id, lane, name, vault, wallet)
VALUES (%(chain_id)s, %(lane)s, %(name)s, %(vault)s, %(wallet)s)
ON CONFLICT (chain_id, vault, lane) DO NOTHING

-- name: wallet_by_name
-- One wallet with its next nonce.
SELECT chain_id, address, name, next_nonce FROM wallets WHERE chain_id = %(chain_id)s AND name = %(name)s

-- name: of_services
-- The wallets of lanes that have no vault, by the lanes' names.
SELECT chain_id, address, name, next_nonce FROM wallets WHERE name = ANY(%(names)s) ORDER BY chain_id, name

-- name: end_service
-- The wallet is no lane's any more; it is called after its lane and its address.
UPDATE wallets SET name = name || '-0x' || encode(address, 'hex'), closed_reason = NULL
 WHERE chain_id = %(chain_id)s AND address = %(address)s

-- name: wallet_by_address
-- One wallet with its next nonce, whatever its name.
SELECT chain_id, address, name, next_nonce FROM wallets WHERE chain_id = %(chain_id)s AND address = %(address)s

-- name: closed_reason
-- Why a wallet's lane is closed, if it is.
SELECT closed_reason FROM wallets WHERE chain_id = %(chain_id)s AND address = %(address)s

-- name: say_closed
-- Why a wallet's lane is closed, or that it is not.
UPDATE wallets SET closed_reason = %(why)s
 WHERE chain_id = %(chain_id)s AND address = %(address)s AND closed_reason IS DISTINCT FROM %(why)s

-- name: closed
-- The lanes that are closed, and why; those that are retired are no longer missed.
SELECT w.chain_id, w.name, w.closed_reason FROM wallets AS w
 WHERE w.closed_reason IS NOT NULL
   AND NOT EXISTS (SELECT FROM lanes AS l WHERE l.chain_id = w.chain_id AND l.wallet = w.address AND l.state = 'retired')
 ORDER BY w.chain_id, w.name

-- name: with_a_vault
-- The open lanes, each with its wallet's next nonce.
SELECT l.*, w.next_nonce FROM lanes AS l JOIN wallets AS w ON w.chain_id = l.chain_id AND w.address = l.wallet
 WHERE l.state = 'open' ORDER BY l.chain_id, l.lane

-- name: open_of_vault
-- The open lanes of one vault, each with its wallet's next nonce.
SELECT l.*, w.next_nonce FROM lanes AS l JOIN wallets AS w ON w.chain_id = l.chain_id AND w.address = l.wallet
 WHERE l.chain_id = %(chain_id)s AND l.vault = %(vault)s AND l.state = 'open' ORDER BY l.lane

-- name: of_vault
-- The lanes of a vault, whatever their state.
SELECT lane FROM lanes WHERE chain_id = %(chain_id)s AND vault = %(vault)s

-- name: vaults
-- The vaults that have or had lanes.
SELECT DISTINCT chain_id, vault FROM lanes

-- name: advance_to_retired
-- No batch of the lane can run any more.
UPDATE lanes SET state = 'retired' WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND lane = %(lane)s AND state = 'open'

-- name: lock_wallet
-- One wallet with its next nonce, locked until the transaction ends.
SELECT chain_id, address, name, next_nonce FROM wallets
 WHERE chain_id = %(chain_id)s AND name = %(name)s FOR UPDATE

-- name: by_name
-- One lane with its wallet's next nonce.
SELECT l.*, w.next_nonce FROM lanes AS l JOIN wallets AS w ON w.chain_id = l.chain_id AND w.address = l.wallet
 WHERE l.chain_id = %(chain_id)s AND l.name = %(name)s

-- name: lock
-- One lane with its wallet's next nonce, both locked until the transaction ends.
SELECT l.*, w.next_nonce FROM lanes AS l JOIN wallets AS w ON w.chain_id = l.chain_id AND w.address = l.wallet
 WHERE l.chain_id = %(chain_id)s AND l.name = %(name)s
   FOR UPDATE

-- name: take_nonce
-- The next nonce of a wallet is taken.
UPDATE wallets SET next_nonce = next_nonce + 1
 WHERE chain_id = %(chain_id)s AND address = %(address)s AND next_nonce = %(nonce)s

-- name: take
-- The next nonce of a lane's wallet is taken, and the lane's sequences below `next_sequence` are given away.
WITH nonce AS (
    UPDATE wallets SET next_nonce = next_nonce + 1
     WHERE chain_id = %(chain_id)s AND address = %(address)s AND next_nonce = %(nonce)s
    RETURNING 1
), sequences AS (
    UPDATE lanes SET next_sequence = %(next_sequence)s
     WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND lane = %(lane)s AND next_sequence <= %(next_sequence)s
    RETURNING 1
)
SELECT (SELECT count(*) FROM nonce) AS nonces, (SELECT count(*) FROM sequences) AS sequences

-- name: move_head
-- A batch of the lane is final: the vault's head is a new one.
UPDATE lanes SET head = %(new)s
 WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND lane = %(lane)s AND head = %(old)s
