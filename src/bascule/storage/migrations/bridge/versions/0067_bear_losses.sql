-- What is missing is the operator's to make good: else capital that replaces it would stand as money to spend beside it.
ALTER TABLE ledger.tx DROP CONSTRAINT tx_kind_check,
    ADD CONSTRAINT tx_kind_check CHECK (kind IN ('opening', 'deposit', 'internal', 'hold', 'release', 'payout', 'gas', 'application', 'outflow', 'loss'));

-- Outflows of a chain that stand as missing, in tokens that nothing stands against any more: each is the operator's loss, whole,
-- oldest first, as far as the operator has it free. How many were borne now.
CREATE FUNCTION ledger.post_losses(of_chain bigint) RETURNS integer
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
           AND NOT EXISTS (SELECT FROM tx AS l WHERE l.source = 'loss' AND l.source_id = x.source_id)
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
REVOKE EXECUTE ON FUNCTION ledger.post_losses(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.post_losses(bigint) TO bascule_watcher;
