-- tables: recovered_payouts

-- name: insert
-- Items of one executed batch; those that are known already change nothing.
INSERT INTO recovered_payouts (chain_id, tx_hash, vault_id, vault, tag, outcome, token, destination, amount, block_number)
SELECT %(chain_id)s, %(tx_hash)s, n.vault_id, %(vault)s, n.tag, n.outcome, %(token)s, n.destination, n.amount,
       %(block_number)s
  FROM unnest(%(vault_ids)s::numeric[], %(tags)s::bytea[], %(outcomes)s::text[], %(destinations)s::bytea[],
              %(amounts)s::numeric[]) AS n (vault_id, tag, outcome, destination, amount)
ON CONFLICT DO NOTHING

-- name: of_tags
-- What the vault did under some identities before a restore; where one was paid, that.
SELECT DISTINCT ON (tag) tag, chain_id, tx_hash, outcome, token, amount FROM recovered_payouts
 WHERE tag = ANY (%(tags)s::bytea[]) ORDER BY tag, outcome <> 'paid', block_number

-- name: read_up_to
-- The block of the newest batch of a vault's lane that was recovered: its ids begin at `first`, those of the next at `after`.
SELECT coalesce(max(block_number), 0) AS number FROM recovered_payouts
 WHERE chain_id = %(chain_id)s AND vault = %(vault)s AND vault_id >= %(first)s::numeric AND vault_id < %(after)s::numeric
