-- tables:
-- The journal against what came to us on the chain.

-- name: custody
-- Tokens whose newest comparison with the chain left a residual that no break names: an open one, or one that a person
-- explained at just this difference.
SELECT format('%%s at block %%s', r.token_id, r.block_number) AS subject, 'residual ' || r.residual AS found
  FROM (SELECT DISTINCT ON (n.token_id) n.token_id, n.block_number, n.residual
          FROM reconciliations AS n ORDER BY n.token_id, n.block_number DESC, n.created_at DESC) AS r
 WHERE r.residual <> 0
   AND NOT EXISTS (SELECT FROM breaks AS b WHERE b.subject = r.token_id
                      AND (b.state = 'open' OR b.type = 'custody_residual' AND b.amount = r.residual AND b.resolution ? 'reason'))
 ORDER BY r.token_id LIMIT %(most)s

-- name: transfers
-- Final transfers of booked tokens that touch us and are not booked once, and bookings without such a transfer.
WITH ours AS (
    SELECT o.chain_id, o.address, o.token, o.block_number AS since FROM openings AS o
     UNION ALL
    SELECT d.chain_id, d.address, k.contract, -1
      FROM deposit_addresses AS d JOIN tokens AS k ON k.chain_id = d.chain_id AND k.accepted
), final AS (
    SELECT t.*, k.id AS token_id,
           EXISTS (SELECT FROM ours AS o WHERE (o.chain_id, o.address, o.token) = (t.chain_id, t.src, t.token)
                      AND o.since < t.block_number) AS from_us,
           EXISTS (SELECT FROM ours AS o WHERE (o.chain_id, o.address, o.token) = (t.chain_id, t.dst, t.token)
                      AND o.since < t.block_number) AS to_us
      FROM transfers AS t
      JOIN cursors AS c ON c.chain_id = t.chain_id AND t.block_number <= c.finalized_number
      JOIN tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token AND k.accepted
     WHERE t.canonical AND t.amount > 0
       AND NOT EXISTS (SELECT FROM token_suspensions AS s WHERE s.token_id = k.id AND NOT s.settled)
       AND NOT EXISTS (SELECT FROM listed_addresses AS l WHERE (l.chain_id, l.token, l.address) = (t.chain_id, t.token, t.dst))
       AND NOT EXISTS (SELECT FROM ledger.booked AS b
                        WHERE b.chain_id = t.chain_id AND b.block_hash = t.block_hash AND b.log_index = t.log_index)
)
SELECT subject, found FROM (
    SELECT f.block_number AS at, format('transfer %%s/%%s/%%s', f.chain_id, encode(f.block_hash, 'hex'), f.log_index) AS subject,
           format('%%s of %%s came to us, final, and is not booked', f.amount, f.token_id) AS found
      FROM final AS f
     WHERE f.to_us AND NOT ledger.awaits_payout(f.chain_id, f.src, f.dst, f.token_id, f.amount)
       AND NOT EXISTS (                     -- a token that was accepted when that money had moved on
            SELECT FROM deposits AS d WHERE d.token_id IS NULL AND d.chain_id = f.chain_id AND d.tx_hash = f.tx_hash
               AND d.block_hash = f.block_hash AND d.log_index = f.log_index)
     UNION ALL
    SELECT coalesce(t.block_number, 0), format('transfer %%s/%%s/%%s', k.chain_id, encode(k.block_hash, 'hex'), k.log_index),
           CASE WHEN x.id IS NULL AND k.tx_id IS NOT NULL THEN format('is booked by transaction %%s, which does not exist', k.tx_id)
                ELSE 'is booked, and is not on the canonical chain, final' END
      FROM ledger.booked AS k
      LEFT JOIN transfers AS t ON t.chain_id = k.chain_id AND t.block_hash = k.block_hash AND t.log_index = k.log_index
      LEFT JOIN cursors AS c ON c.chain_id = k.chain_id
      LEFT JOIN ledger.tx AS x ON x.id = k.tx_id
     WHERE (t.canonical AND t.block_number <= c.finalized_number) IS NOT TRUE OR x.id IS NULL AND k.tx_id IS NOT NULL
     UNION ALL
    SELECT d.block_number, d.id, format('is booked as %%s, its transfer moved %%s', d.amount, coalesce(t.amount::text, 'nothing'))
      FROM ledger.tx AS x JOIN deposits AS d ON d.id = x.source_id LEFT JOIN ledger.booked AS k ON k.tx_id = x.id
      LEFT JOIN transfers AS t ON t.chain_id = k.chain_id AND t.block_hash = k.block_hash AND t.log_index = k.log_index
     WHERE x.source = 'deposit'
       AND (d.chain_id, d.block_hash, d.log_index, d.block_number, d.token, d.src, d.dst, d.amount::numeric) IS DISTINCT FROM
           (t.chain_id, t.block_hash, t.log_index, t.block_number, t.token, t.src, t.dst, t.amount::numeric)
     UNION ALL
    SELECT x.id, 'transaction ' || x.id, format('a %%s that books %%s transfers', x.kind, count(k.tx_id))
      FROM ledger.tx AS x LEFT JOIN ledger.booked AS k ON k.tx_id = x.id
     WHERE x.kind IN ('deposit', 'internal', 'outflow', 'payout') GROUP BY x.id HAVING count(k.tx_id) <> 1
) AS wrong ORDER BY at, subject LIMIT %(most)s
