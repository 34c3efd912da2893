-- As before (0099); a deposit that is to go back is held too, unless its money became the merchant's for that.
CREATE OR REPLACE FUNCTION ledger.post_screening(of_screening text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    s      record;
    d      record;
    books  bigint[];
    owner  text;
    held   bigint;
BEGIN
    SELECT * INTO s FROM screenings WHERE id = of_screening FOR NO KEY UPDATE;
    IF NOT FOUND OR s.deposit_id IS NULL THEN
        RAISE EXCEPTION 'there is no screening % of a deposit', of_screening;
    END IF;
    SELECT * INTO STRICT d FROM deposits WHERE id = s.deposit_id;
    SELECT t.id INTO held FROM tx AS t WHERE t.source = 'screening' AND t.source_id = s.id;
    IF NOT EXISTS (SELECT FROM tx AS t WHERE t.source = 'deposit' AND t.source_id = d.id) OR (s.state = 'released' AND held IS NULL) THEN
        RETURN NULL;
    END IF;
    owner := CASE d.kind WHEN 'payment' THEN d.account_id ELSE operator_account() END;
    books := ARRAY[account_for('suspense:' || owner, d.token_id), account_for('screened:' || owner, d.token_id)];
    -- what is released goes on to the merchant in the same transaction: all balances are taken here, in the order of all
    PERFORM FROM balance AS b WHERE b.account_id = ANY (books || account_for('available:' || owner, d.token_id))
      ORDER BY b.account_id FOR NO KEY UPDATE;
    IF s.state = 'released' THEN
        RETURN post('screening', s.id || '#released', 'screening', NULL, NULL, now(), ARRAY[books[2], books[1]],
            ARRAY[0, 0]::smallint[], ARRAY[d.amount::numeric, -d.amount], held);
    ELSIF held IS NULL AND NOT EXISTS (
            SELECT FROM applications AS p WHERE p.deposit_id = d.id AND (p.state = 'unapplied' OR p.state = 'refunded' AND NOT EXISTS (
                SELECT FROM refunds AS r JOIN tx AS t ON t.source = 'refund' AND t.source_id = r.id WHERE r.deposit_id = d.id))) THEN
        RAISE EXCEPTION 'screening % holds deposit %, whose money does not wait any more', s.id, d.id;
    END IF;
    RETURN post('screening', s.id, 'screening', NULL, NULL, now(), books, ARRAY[0, 0]::smallint[], ARRAY[d.amount::numeric, -d.amount]);
END $$;

-- As before (0078), and nothing is taken from suspense of what screening holds.
CREATE OR REPLACE FUNCTION ledger.post_refund(refund_id text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    r  record;
BEGIN
    SELECT * INTO r FROM refunds WHERE id = refund_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no refund %', refund_id;
    ELSIF r.state <> 'pending' THEN
        RAISE EXCEPTION 'refund % is %: nothing to book', refund_id, r.state;
    ELSIF r.excess = 0 THEN
        RETURN NULL;
    ELSIF EXISTS (SELECT FROM screenings AS s WHERE s.deposit_id = r.deposit_id AND s.state <> 'released') THEN
        RAISE EXCEPTION 'screening holds deposit %', r.deposit_id USING errcode = '42501';
    END IF;
    RETURN post('refund', r.id, 'refund', NULL, NULL, now(),
        ARRAY[account_for('suspense:' || r.account_id, r.token_id), account_for('available:' || r.account_id, r.token_id)],
        ARRAY[0, 0]::smallint[], ARRAY[r.excess, -r.excess]);
END $$;

-- What screening holds is kept by nobody after its refund was called off either.
DROP TRIGGER not_while_held ON applications;
CREATE TRIGGER not_while_held BEFORE UPDATE OF state ON applications FOR EACH ROW
    WHEN (old.state IN ('unapplied', 'refunded') AND new.state <> old.state AND new.state <> 'unapplied') EXECUTE FUNCTION refuse_held_money();
