-- tables: reconciliations

-- name: subjects
-- Every token that is booked, with the newest final block of its chain as far as we have read it.
SELECT t.id, t.chain_id, t.contract, t.currency, t.decimals, n.livemode,
       c.finalized_number AS block_number, c.finalized_hash AS block_hash
FROM tokens AS t JOIN cursors AS c ON c.chain_id = t.chain_id JOIN networks AS n ON n.chain_id = t.chain_id
WHERE t.accepted ORDER BY t.chain_id, t.currency, t.id;

-- name: one_snapshot
-- Holders and books of one moment.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY;

-- name: holders
-- The addresses whose balance of a token is ours to explain at a block.
SELECT o.address FROM openings AS o
WHERE o.chain_id = %(chain_id)s AND o.token = %(contract)s AND o.block_number <= %(block_number)s
UNION ALL
SELECT d.address FROM deposit_addresses AS d WHERE d.chain_id = %(chain_id)s AND d.intent_id IS NOT NULL
UNION ALL
SELECT DISTINCT x.dst FROM transfers AS x    -- of the many watched without an intent those that something came to
JOIN deposit_addresses AS d ON d.chain_id = x.chain_id AND d.address = x.dst
WHERE x.chain_id = %(chain_id)s AND x.token = %(contract)s AND d.intent_id IS NULL;

-- name: books
-- What the journal says we hold of a token up to a block, and what is final by then but not booked yet.
WITH ours AS (
    SELECT o.address, o.block_number AS since FROM openings AS o
    WHERE o.chain_id = %(chain_id)s AND o.token = %(contract)s
    UNION ALL
    SELECT d.address, -1 FROM deposit_addresses AS d WHERE d.chain_id = %(chain_id)s
)
SELECT coalesce((
           SELECT sum(e.amount) FROM ledger.account AS a
           JOIN ledger.entry AS e ON e.account_id = a.id
           JOIN ledger.tx AS x ON x.id = e.tx_id
           WHERE a.token_id = %(token_id)s AND a.code LIKE 'custody:%%' AND e.layer = 0
             AND x.block_number <= %(block_number)s), 0) AS journal,
       coalesce((
           SELECT sum(CASE WHEN dst.address IS NULL THEN 0 ELSE t.amount END
                      - CASE WHEN src.address IS NULL THEN 0 ELSE t.amount END)
           FROM transfers AS t
           LEFT JOIN ours AS dst ON dst.address = t.dst AND dst.since < t.block_number
           LEFT JOIN ours AS src ON src.address = t.src AND src.since < t.block_number
           WHERE t.chain_id = %(chain_id)s AND t.token = %(contract)s AND t.canonical
             AND t.block_number <= %(block_number)s
             AND NOT EXISTS (SELECT 1 FROM ledger.booked AS k WHERE k.chain_id = t.chain_id
                             AND k.block_hash = t.block_hash AND k.log_index = t.log_index)), 0)
       + coalesce((
           SELECT sum(o.amount) FROM openings AS o
           WHERE o.chain_id = %(chain_id)s AND o.token = %(contract)s AND o.block_number <= %(block_number)s
             AND NOT EXISTS (SELECT 1 FROM ledger.tx AS x WHERE x.source = 'opening' AND x.source_id = o.id)), 0)
       AS unbooked;

-- name: insert
-- One comparison of the books with the chain, for ever.
INSERT INTO reconciliations (id, chain_id, token_id, block_number, block_hash, on_chain, journal, unbooked, residual, created_at, run_id)
VALUES (%(id)s, %(chain_id)s, %(token_id)s, %(block_number)s, %(block_hash)s, %(on_chain)s, %(journal)s, %(unbooked)s,
        %(residual)s, %(created_at)s, %(run_id)s);

-- name: of_runs
-- The comparisons of runs, with what they are about.
SELECT r.*, t.contract, t.currency, t.decimals, n.livemode
  FROM reconciliations AS r JOIN tokens AS t ON t.id = r.token_id JOIN networks AS n ON n.chain_id = r.chain_id
 WHERE r.run_id = ANY(%(run_ids)s) ORDER BY r.created_at, r.id;
