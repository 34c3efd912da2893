-- A payee may prove to be ours while its payout is on its way, or after it: registered, or watched after a restore. The
-- payout keeps its one transfer, and what lies there is in custody again.

-- Whether a vault's transfer may be that of a payout which is not paid yet: it is booked by that, or not at all.
CREATE FUNCTION ledger.awaits_payout(of_chain bigint, of_src bytea, of_dst bytea, of_token text, of_amount numeric) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER COST 10000 SET search_path = public, ledger, pg_temp AS $$
    SELECT EXISTS (SELECT FROM own_addresses AS o WHERE o.chain_id = of_chain AND o.address = of_src AND o.kind = 'vault')
       AND (EXISTS (SELECT FROM payouts AS p
                     WHERE p.chain_id = of_chain AND p.vault = of_src AND p.state IN ('requires_action', 'pending')
                       AND p.token_id = of_token AND p.destination = of_dst AND p.amount::numeric = of_amount)
            OR EXISTS (SELECT FROM slots AS s
                         JOIN slot_items AS i USING (chain_id, wallet, nonce)
                         JOIN payouts AS p ON p.id = i.payout_id
                        WHERE s.chain_id = of_chain AND s.vault = of_src AND s.kind = 'pay' AND s.state <> 'final'
                          AND i.outcome = 'open'
                          AND p.token_id = of_token AND p.destination = of_dst AND p.amount::numeric = of_amount))
$$;
REVOKE EXECUTE ON FUNCTION ledger.awaits_payout(bigint, bytea, bytea, text, numeric) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.awaits_payout(bigint, bytea, bytea, text, numeric) TO bascule_watcher, bascule_worker;

-- As in 0068, of payouts too: their merchant has paid, so what lies at the payee is the operator's.
CREATE OR REPLACE FUNCTION ledger.post_found(of_chain bigint, of_block bytea, of_index integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    t         record;
    place     text := format('%s/%s/%s', of_chain, encode(of_block, 'hex'), of_index);
    gone      record;
    target    text;
    bearer    bigint;
BEGIN
    SELECT * INTO t FROM final_transfer(of_chain, of_block, of_index);
    target := custody_of(of_chain, t.dst);
    SELECT x.source, e.account_id, e.token_id INTO gone
      FROM booked AS b JOIN tx AS x ON x.id = b.tx_id JOIN entry AS e ON e.tx_id = x.id AND e.layer = 0 AND e.amount > 0
     WHERE b.chain_id = of_chain AND b.block_hash = of_block AND b.log_index = of_index AND x.source IN ('outflow', 'payout');
    IF NOT FOUND OR target IS NULL THEN
        RAISE EXCEPTION 'transfer % is neither outflow nor payout, or its payee is not ours', place;
    END IF;
    bearer := gone.account_id;
    IF gone.source = 'payout' OR EXISTS (SELECT FROM tx AS l WHERE l.source = 'loss' AND l.source_id = place) THEN
        bearer := account_for('available:' || operator_account(), gone.token_id);
    END IF;
    RETURN post('found', place, 'found', of_chain, t.block_number, t.block_time,
        ARRAY[account_for(target, gone.token_id), bearer], ARRAY[0, 0]::smallint[], ARRAY[t.amount, -t.amount]);
END $$;

-- Of payouts that are booked, those whose payee is ours: what they moved is in custody. An own address has what came
-- before its opening by that. How many they were.
CREATE FUNCTION ledger.post_found_payouts(payout_ids text[]) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
    SELECT count(post_found(p.chain_id, p.paid_block_hash, p.paid_log_index))
      FROM payouts AS p
      JOIN transfers AS t ON t.chain_id = p.chain_id AND t.block_hash = p.paid_block_hash AND t.log_index = p.paid_log_index
     WHERE p.id = ANY (payout_ids) AND p.state = 'paid'
       AND (EXISTS (SELECT FROM deposit_addresses AS d WHERE d.chain_id = p.chain_id AND d.address = p.destination)
            OR EXISTS (SELECT FROM openings AS o WHERE o.chain_id = p.chain_id AND o.address = p.destination
                          AND o.token = t.token AND o.block_number < t.block_number))
$$;
REVOKE EXECUTE ON FUNCTION ledger.post_found_payouts(text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.post_found_payouts(text[]) TO bascule_submitter;
