-- Paid payouts, each as post_payout books it, in a few statements for all of them. What cannot be booked this way
-- (booked already, or refused) is left to post_payout itself, which answers or refuses. How many they were.
CREATE FUNCTION ledger.post_payouts(payout_ids text[]) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp SET join_collapse_limit = 1 AS $$
DECLARE
    booked_here  text[];
BEGIN
    PERFORM FROM payouts AS q WHERE q.id = ANY (payout_ids) ORDER BY q.id FOR NO KEY UPDATE;
    PERFORM account_for(c.code, c.token_id)
       FROM (SELECT DISTINCT e.code, p.token_id
               FROM payouts AS p
              CROSS JOIN LATERAL (VALUES ('available:' || p.account_id), ('custody:vault')) AS e (code)
              WHERE p.id = ANY (payout_ids) AND p.state = 'paid' ORDER BY e.code, p.token_id) AS c;
    WITH asked AS MATERIALIZED (                       -- the few first, whatever the statistics say of the rest
        SELECT * FROM payouts AS q WHERE q.id = ANY (payout_ids) AND q.state = 'paid'
    ), line AS MATERIALIZED (
        SELECT p.id, p.token_id, p.chain_id, p.paid_block_hash, p.paid_log_index, p.amount::numeric AS amount,
               t.block_number, b.block_time, o.id AS owed_id, v.id AS vault_id, h.id AS hold_id
          FROM asked AS p
          JOIN tokens AS k ON k.id = p.token_id
          JOIN transfers AS t ON t.chain_id = p.chain_id AND t.block_hash = p.paid_block_hash
                             AND t.log_index = p.paid_log_index
          JOIN blocks AS b ON b.chain_id = t.chain_id AND b.hash = t.block_hash
          JOIN cursors AS u ON u.chain_id = p.chain_id
          JOIN account AS o ON o.code = 'available:' || p.account_id AND o.token_id = p.token_id
          JOIN account AS v ON v.code = 'custody:vault' AND v.token_id = p.token_id
          JOIN tx AS h ON h.source = 'hold' AND h.source_id = p.id || '#' || p.holds
         WHERE t.canonical AND b.canonical AND u.finalized_number >= t.block_number AND u.halted_reason IS NULL
           AND (t.token, t.src, t.dst, t.amount::numeric) = (k.contract, p.vault, p.destination, p.amount::numeric)
           AND NOT EXISTS (SELECT FROM tx AS r WHERE r.reverses = h.id)
           AND NOT EXISTS (SELECT FROM tx AS x WHERE x.source = 'payout' AND x.source_id = p.id)
           AND NOT EXISTS (SELECT FROM booked AS y WHERE y.chain_id = p.chain_id
                              AND y.block_hash = p.paid_block_hash AND y.log_index = p.paid_log_index)
    ), booking AS (
        INSERT INTO tx (source, source_id, digest, kind, chain_id, block_number, effective_at, reverses)
        SELECT 'payout', l.id,
               sha256(convert_to(jsonb_build_array('payout', l.id, 'payout', l.chain_id, l.block_number,   -- as in post
                   jsonb_build_array(l.owed_id, l.vault_id, l.owed_id, l.vault_id), jsonb_build_array(1, 2, 0, 0),
                   jsonb_build_array(-l.amount, l.amount, l.amount, -l.amount), l.hold_id)::text, 'UTF8')),
               'payout', l.chain_id, l.block_number, l.block_time, l.hold_id
          FROM line AS l ORDER BY l.chain_id, l.block_number, l.paid_log_index
        ON CONFLICT (source, source_id) DO NOTHING
        RETURNING id, source_id
    ), entries AS (
        INSERT INTO entry (tx_id, seq, account_id, token_id, layer, amount)
        SELECT k.id, e.seq, e.account_id, l.token_id, e.layer, e.amount
          FROM booking AS k JOIN line AS l ON l.id = k.source_id
         CROSS JOIN LATERAL (VALUES (1, l.owed_id, 1, -l.amount), (2, l.vault_id, 2, l.amount),
                                    (3, l.owed_id, 0, l.amount), (4, l.vault_id, 0, -l.amount))
                 AS e (seq, account_id, layer, amount)
    ), marks AS (
        INSERT INTO booked (chain_id, block_hash, log_index, tx_id)
        SELECT l.chain_id, l.paid_block_hash, l.paid_log_index, k.id
          FROM booking AS k JOIN line AS l ON l.id = k.source_id
    )
    SELECT array_agg(k.source_id) INTO booked_here FROM booking AS k;
    PERFORM post_payout(u.id) FROM (SELECT unnest(payout_ids) EXCEPT SELECT unnest(booked_here)) AS u (id);
    RETURN cardinality(payout_ids);
END $$;

REVOKE EXECUTE ON FUNCTION ledger.post_payouts(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.post_payouts(text[]) TO bascule_submitter;
