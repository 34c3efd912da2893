-- tables:

-- name: of_ids
-- Intents with all that is shown of them: where each is paid while it waits for that, what arrived in chain order, and
-- which networks and tokens are current. What a deposit counts for says whose it is. A list in JSON counts as a hundred
-- whatever is in it, and each intent is looked up by itself: so the plan is made once.
SELECT p.*,
       CASE WHEN p.state = 'requires_action' THEN ARRAY(
            SELECT concat_ws(' ', x.chain_id, encode(x.address, 'hex')) FROM deposit_addresses x
             WHERE x.intent_id = p.id ORDER BY x.chain_id) END AS addresses,
       ARRAY(SELECT concat_ws(' ', d.id, d.chain_id, encode(d.tx_hash, 'hex'), a.state)
               FROM applications a JOIN deposits d ON d.id = a.deposit_id
              WHERE a.intent_id = p.id
              ORDER BY d.block_time, d.chain_id, d.block_number, d.log_index) AS deposits,
       (SELECT word FROM known_catalog) AS known
  FROM jsonb_array_elements_text(%(ids)s::jsonb) AS i (id)
 CROSS JOIN LATERAL (SELECT * FROM payment_intents q WHERE q.id = i.id OFFSET 0) p;
