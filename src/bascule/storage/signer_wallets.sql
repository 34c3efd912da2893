-- tables: signer.wallets

-- name: add
-- A wallet the signer holds the key of, what it may be used for, and the nonce that nobody used yet.
INSERT INTO signer.wallets (chain_id, address, role, highest_nonce)
VALUES (%(chain_id)s, %(address)s, %(role)s, %(first_nonce)s::bigint - 1)
ON CONFLICT (chain_id, address) DO NOTHING

-- name: get
-- One wallet with the highest epoch and nonce ever seen.
SELECT role, epoch, highest_nonce, frozen FROM signer.wallets
 WHERE chain_id = %(chain_id)s AND address = %(address)s

-- name: lock
-- One wallet as it stands when every question about it before has ended; others wait until the transaction ends.
SELECT role, epoch, highest_nonce, frozen FROM signer.wallets
 WHERE chain_id = %(chain_id)s AND address = %(address)s
   FOR NO KEY UPDATE

-- name: exists
-- Whether the signer has a wallet, on whatever chain.
SELECT EXISTS (SELECT FROM signer.wallets WHERE address = %(address)s)

-- name: raise_marks
-- The wallet has seen this epoch and this nonce.
UPDATE signer.wallets
   SET epoch = greatest(epoch, %(epoch)s), highest_nonce = greatest(highest_nonce, %(nonce)s)
 WHERE chain_id = %(chain_id)s AND address = %(address)s

-- name: freeze
-- The kill switch of one wallet.
UPDATE signer.wallets SET frozen = %(frozen)s WHERE chain_id = %(chain_id)s AND address = %(address)s
