-- tables: payout_negatives

-- name: insert
-- What proves that a payout can never be paid; the first proof stays.
INSERT INTO payout_negatives (payout_id, ground, chain_id, block_hash, log_index, storage, ending, nodes, proven_at)
VALUES (%(payout_id)s, %(ground)s, %(chain_id)s, %(block_hash)s, %(log_index)s, %(storage)s, %(ending)s, %(nodes)s,
        %(now)s)
ON CONFLICT DO NOTHING

-- name: wanted
-- Payouts after one that ended unpaid with a vault id, of which nothing is proven yet, and when that was; the oldest first.
SELECT p.id, p.chain_id, p.vault, p.vault_id,
       (SELECT max(o.created_at) FROM outbox AS o WHERE o.object_id = p.id
           AND o.type IN ('payout.failed', 'payout.canceled', 'payout.rejected')) AS ended_at,
       (SELECT array_agg(s.deadline ORDER BY s.deadline) FROM slot_items AS i JOIN slots AS s USING (chain_id, wallet, nonce)
         WHERE i.payout_id = p.id) AS deadlines
  FROM payouts AS p
 WHERE p.chain_id = %(chain_id)s AND p.id > %(after)s AND p.state IN ('failed', 'canceled')
   AND p.vault_id IS NOT NULL
   AND NOT EXISTS (SELECT FROM payout_negatives AS n WHERE n.payout_id = p.id)
 ORDER BY p.id LIMIT %(limit)s

-- name: of_payout
-- The ground on which a payout can never be paid, and its proof.
SELECT n.ground, n.chain_id, n.block_hash, n.log_index, n.storage, n.ending, n.nodes, n.proven_at
  FROM payout_negatives AS n WHERE n.payout_id = %(payout_id)s

-- name: grounds
-- The grounds on which some payouts can never be paid.
SELECT payout_id, ground, block_hash, log_index FROM payout_negatives WHERE payout_id = ANY (%(ids)s::text[])

-- name: reissued_as
-- The payout that stands in the place of another.
SELECT id FROM payouts WHERE reissue_of = %(payout_id)s
