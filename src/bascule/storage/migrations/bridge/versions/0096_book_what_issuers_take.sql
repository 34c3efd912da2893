-- As before (0064), and money leaves a deposit address too: some issuers move what lies anywhere.
CREATE OR REPLACE FUNCTION ledger.post_outflow(of_chain bigint, of_block bytea, of_index integer, OUT booked_id bigint, OUT explained boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    t         record;
    place     text := format('%s/%s/%s', of_chain, encode(of_block, 'hex'), of_index);
    custody   bigint;
    operator  bigint;
    asset_id  text;
BEGIN
    SELECT * INTO t FROM final_transfer(of_chain, of_block, of_index);
    SELECT x.id, a.code <> 'expense:outflow' INTO booked_id, explained          -- as it was decided, whatever was registered since
      FROM tx AS x JOIN entry AS e ON e.tx_id = x.id AND e.amount > 0 JOIN account AS a ON a.id = e.account_id
     WHERE x.source = 'outflow' AND x.source_id = place;
    IF FOUND THEN
        RETURN;
    END IF;
    SELECT k.id INTO asset_id FROM tokens AS k WHERE k.chain_id = of_chain AND k.contract = t.token AND k.accepted;
    IF NOT FOUND OR t.amount = 0 THEN
        RAISE EXCEPTION 'transfer % is of nothing, or of a token we do not accept', place;
    ELSIF custody_of(of_chain, t.src) IS NULL OR custody_of(of_chain, t.dst) IS NOT NULL THEN
        RAISE EXCEPTION 'transfer % does not leave us', place;
    ELSIF EXISTS (SELECT FROM transfers AS m JOIN attempts AS a ON a.chain_id = m.chain_id AND a.tx_hash = m.tx_hash
                   WHERE (m.chain_id, m.block_hash, m.log_index) = (of_chain, of_block, of_index)) THEN
        RAISE EXCEPTION 'transfer % was made by a transaction that we signed: its slot says what it is', place;
    END IF;
    custody := account_for(custody_of(of_chain, t.src), asset_id);
    operator := account_for('available:' || operator_account(), asset_id);
    PERFORM FROM balance AS b WHERE b.account_id IN (custody, operator) ORDER BY b.account_id FOR NO KEY UPDATE;
    SELECT EXISTS (SELECT FROM treasury_sources AS s WHERE s.chain_id = of_chain AND s.address = t.dst)
           AND -(b.posted + b.held_debit) >= t.amount
      INTO STRICT explained FROM balance AS b WHERE b.account_id = operator;
    booked_id := post('outflow', place, 'outflow', of_chain, t.block_number, t.block_time,
        ARRAY[CASE WHEN explained THEN operator ELSE account_for('expense:outflow', asset_id) END, custody],
        ARRAY[0, 0]::smallint[], ARRAY[t.amount, -t.amount]);
    PERFORM mark_booked(of_chain, of_block, of_index, booked_id);
END $$;
