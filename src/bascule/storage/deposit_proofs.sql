-- tables: deposit_proofs

-- name: record
-- Proofs of receipts, or agreements about whole blocks; what is there already stays.
INSERT INTO deposit_proofs (chain_id, block_hash, first_log, last_log, verified, proof, agreement, nodes, proven_at)
SELECT %(chain_id)s, n.block_hash, n.first_log, n.last_log, %(verified)s, n.proof::jsonb, n.agreement, %(nodes)s,
       %(now)s
  FROM unnest(%(block_hashes)s::bytea[], %(first_logs)s::integer[], %(last_logs)s::integer[], %(proofs)s::text[],
              %(agreements)s::bytea[])
       AS n (block_hash, first_log, last_log, proof, agreement)
ON CONFLICT DO NOTHING;

-- name: missing_in
-- Deposits of some blocks whose evidence is not kept yet; by height, as what is not final yet is found.
SELECT d.block_hash, d.log_index
  FROM blocks b
  JOIN deposits d ON d.chain_id = b.chain_id AND d.block_number = b.number AND d.block_hash = b.hash
 WHERE b.chain_id = %(chain_id)s AND b.hash = ANY(%(block_hashes)s::bytea[]) AND d.state = 'detected'
   AND d.token <> decode(repeat('00', 20), 'hex')
   AND NOT EXISTS (SELECT FROM deposit_proofs p WHERE p.chain_id = d.chain_id AND p.block_hash = d.block_hash
                      AND d.log_index BETWEEN p.first_log AND p.last_log);

-- name: missing_upto
-- Deposits up to a height that are to become final and whose evidence is not kept yet, of the lowest so many blocks.
SELECT n.block_hash, n.log_index, n.verified, n.transfers_digest
  FROM (SELECT d.block_hash, d.log_index, b.verified, b.transfers_digest,
               dense_rank() OVER (ORDER BY d.block_number, d.block_hash) AS place
          FROM deposits d
          JOIN blocks b ON b.chain_id = d.chain_id AND b.hash = d.block_hash
         WHERE d.chain_id = %(chain_id)s AND d.block_number <= %(number)s AND d.state = 'detected'
           AND d.token <> decode(repeat('00', 20), 'hex')
           AND NOT EXISTS (SELECT FROM deposit_proofs p WHERE p.chain_id = d.chain_id AND p.block_hash = d.block_hash
                              AND d.log_index BETWEEN p.first_log AND p.last_log)) n
 WHERE n.place <= %(most)s;

-- name: count_missing
-- How many of these deposits have no evidence; coin has none, and is not booked.
SELECT count(*) FROM deposits d
 WHERE d.id = ANY(%(ids)s::text[]) AND d.token <> decode(repeat('00', 20), 'hex')
   AND NOT EXISTS (SELECT FROM deposit_proofs p WHERE p.chain_id = d.chain_id AND p.block_hash = d.block_hash
                      AND d.log_index BETWEEN p.first_log AND p.last_log);

-- name: of_deposit
-- What proves a final deposit, where it is.
SELECT p.verified, p.proof, p.agreement, p.nodes, p.proven_at, p.first_log, d.finality
  FROM deposits d
  JOIN deposit_proofs p ON p.chain_id = d.chain_id AND p.block_hash = d.block_hash
                       AND d.log_index BETWEEN p.first_log AND p.last_log
 WHERE d.id = %(deposit_id)s AND d.state = 'finalized' AND d.finality IS NOT NULL;

-- name: of_log
-- The proof of the receipt that holds a log.
SELECT p.proof, p.nodes, p.proven_at FROM deposit_proofs p
 WHERE p.chain_id = %(chain_id)s AND p.block_hash = %(block_hash)s AND p.verified = 'receipts'
   AND %(log_index)s BETWEEN p.first_log AND p.last_log;
