-- What left us to an address that was stored later lies at an address of ours: it was no outflow.
ALTER TABLE ledger.tx DROP CONSTRAINT tx_kind_check,
    ADD CONSTRAINT tx_kind_check CHECK (kind IN ('opening', 'deposit', 'internal', 'hold', 'release', 'payout', 'gas', 'application', 'outflow', 'loss', 'found'));

-- An outflow whose payee is ours after all: what stood as missing, or the operator bore or withdrew, is in custody again.
CREATE FUNCTION ledger.post_found(of_chain bigint, of_block bytea, of_index integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    t         record;
    place     text := format('%s/%s/%s', of_chain, encode(of_block, 'hex'), of_index);
    lost      record;
    target    text;
    bearer    bigint;
BEGIN
    SELECT * INTO t FROM final_transfer(of_chain, of_block, of_index);
    target := custody_of(of_chain, t.dst);
    SELECT e.account_id, e.token_id, a.code INTO lost
      FROM tx AS x JOIN entry AS e ON e.tx_id = x.id AND e.amount > 0 JOIN account AS a ON a.id = e.account_id
     WHERE x.source = 'outflow' AND x.source_id = place;
    IF NOT FOUND OR target IS NULL THEN
        RAISE EXCEPTION 'transfer % is no outflow, or its payee is not ours', place;
    END IF;
    bearer := lost.account_id;
    IF EXISTS (SELECT FROM tx AS l WHERE l.source = 'loss' AND l.source_id = place) THEN
        bearer := account_for('available:' || operator_account(), lost.token_id);
    END IF;
    RETURN post('found', place, 'found', of_chain, t.block_number, t.block_time,
        ARRAY[account_for(target, lost.token_id), bearer], ARRAY[0, 0]::smallint[], ARRAY[t.amount, -t.amount]);
END $$;
REVOKE EXECUTE ON FUNCTION ledger.post_found(bigint, bytea, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.post_found(bigint, bytea, integer) TO bascule_watcher;

-- As in 0067, but for what was found again: outflows of a chain that stand as missing, in tokens that nothing stands against any more: each is the operator's loss, whole,
-- oldest first, as far as the operator has it free. How many were borne now.
CREATE OR REPLACE FUNCTION ledger.post_losses(of_chain bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    lost      record;
    operator  bigint;
    free      numeric;
    borne     integer := 0;
BEGIN
    FOR lost IN
        SELECT x.source_id, e.account_id, e.token_id, e.amount
          FROM tx AS x
          JOIN entry AS e ON e.tx_id = x.id AND e.amount > 0
          JOIN account AS a ON a.id = e.account_id AND a.code = 'expense:outflow'
         WHERE x.source = 'outflow' AND x.chain_id = of_chain
           AND NOT EXISTS (SELECT FROM tx AS l WHERE l.source IN ('loss', 'found') AND l.source_id = x.source_id)
           AND NOT EXISTS (SELECT FROM token_suspensions AS s WHERE s.token_id = e.token_id AND s.ended_at IS NULL)
         ORDER BY x.id
    LOOP
        operator := account_for('available:' || operator_account(), lost.token_id);
        SELECT -(b.posted + b.held_debit) INTO STRICT free FROM balance AS b WHERE b.account_id = operator FOR NO KEY UPDATE;
        CONTINUE WHEN free < lost.amount;
        PERFORM post('loss', lost.source_id, 'loss', NULL, NULL, now(),
            ARRAY[operator, lost.account_id], ARRAY[0, 0]::smallint[], ARRAY[lost.amount, -lost.amount]);
        borne := borne + 1;
    END LOOP;
    RETURN borne;
END $$;
