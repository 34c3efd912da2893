-- tables: offers

-- name: keep
-- What a node said to bytes, the newest for each; how often it was asked and how often it took them.
INSERT INTO offers (tx_hash, node, says, bytes, words, times, accepted, first_at, last_at)
VALUES (%(tx_hash)s, %(node)s, %(says)s, %(bytes)s, %(words)s, 1, %(accepted)s, %(at)s, %(at)s)
ON CONFLICT (tx_hash, node) DO UPDATE
   SET says = excluded.says, bytes = excluded.bytes, words = excluded.words, times = offers.times + 1,
       accepted = offers.accepted + excluded.accepted, last_at = excluded.last_at

-- name: of_attempt
-- What nodes said last to bytes.
SELECT node, says, bytes, words, times, accepted, first_at, last_at FROM offers
 WHERE tx_hash = %(tx_hash)s ORDER BY node
