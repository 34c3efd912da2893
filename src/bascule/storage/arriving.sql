-- tables:

-- name: arriving
-- Canonical transfers of some blocks from outside to an address of ours, each payment once; whose they are, whether they
-- are deposits already, and what of the present stands against them. What is one for all, or only looked for, is no
-- join: to plan a dozen of those takes half as long as to run them. Of an array PostgreSQL counts the elements and plans
-- anew each time; what a query makes of it counts as ten, so that the plan is made once. It finds blocks and transfers by
-- key, as there will be many more of them than when it was made; what addresses are ours it finds as the tables stood then,
-- until they are analysed again.
WITH arrived AS MATERIALIZED (
    SELECT DISTINCT ON (t.dst, t.tx_hash, t.token, t.occurrence)
           t.block_hash, t.log_index, t.block_number, b.block_time, t.tx_hash, t.token, t.src, t.dst, t.occurrence, t.amount
      FROM unnest(ARRAY(SELECT unnest(%(block_hashes)s::bytea[]))) AS h (hash)
     CROSS JOIN LATERAL (SELECT x.block_time FROM blocks x WHERE x.chain_id = %(chain_id)s AND x.hash = h.hash OFFSET 0) b
     CROSS JOIN LATERAL (SELECT * FROM transfers x
                          WHERE x.chain_id = %(chain_id)s AND x.block_hash = h.hash AND x.canonical
                          ORDER BY x.log_index LIMIT (SELECT NULL::bigint)) t  -- all; but as if few would do, so by key
     ORDER BY t.dst, t.tx_hash, t.token, t.occurrence, t.block_number, t.log_index
)
SELECT t.block_hash, t.log_index, t.block_number, t.block_time, t.tx_hash, t.token, t.src, t.dst, t.amount,
       (SELECT count(*) FROM deposits d
         WHERE d.chain_id = %(chain_id)s AND (d.dst, d.tx_hash, d.token, d.occurrence)
             = (t.dst, t.tx_hash, t.token, t.occurrence)) > 0 AS known,
       coalesce(a.account_id, (SELECT id FROM accounts WHERE kind = 'operator')) AS account_id, a.intent_id,
       CASE WHEN o.kind IS NULL THEN 'payment'
            WHEN o.kind IN ('vault', 'collector') AND k.accepted
             AND t.src IN (SELECT address FROM treasury_sources WHERE chain_id = %(chain_id)s) THEN 'capital'
            ELSE 'unsolicited' END AS kind,
       k.id AS token_id, coalesce(k.accepted, false) AS booked,
       EXISTS (SELECT FROM screening_entries e WHERE e.address = t.src AND e.until IS NULL) AS screened,
       EXISTS (SELECT FROM listed_addresses l WHERE (l.chain_id, l.token, l.address) = (%(chain_id)s, t.token, t.dst)) AS listed,
       (SELECT c.next_number - 1 FROM cursors c WHERE c.chain_id = %(chain_id)s) AS processed
  FROM arrived t
  LEFT JOIN deposit_addresses a ON a.chain_id = %(chain_id)s AND a.address = t.dst
  LEFT JOIN own_addresses o ON o.chain_id = %(chain_id)s AND o.address = t.dst
  LEFT JOIN tokens k ON k.chain_id = %(chain_id)s AND k.contract = t.token
 WHERE (a.address IS NOT NULL OR o.address IS NOT NULL)
   AND t.src NOT IN (SELECT address FROM own_addresses WHERE chain_id = %(chain_id)s)
   AND (SELECT count(*) FROM deposit_addresses x WHERE x.chain_id = %(chain_id)s AND x.address = t.src) = 0
 ORDER BY t.block_number, t.log_index;
