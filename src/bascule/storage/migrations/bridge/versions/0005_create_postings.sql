-- The typed posting functions: the only way in, one per fact, amounts read from rows.

-- ───────────────────────── what processes may post ─────────────────────────
-- What an address held when we began to watch it is the operator's. Null when that was nothing.
CREATE FUNCTION ledger.post_opening(opening_id text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    o         record;
    asset_id  text;
BEGIN
    SELECT * INTO o FROM openings WHERE id = opening_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no opening %', opening_id;
    END IF;
    PERFORM require_final(o.chain_id, o.block_number);
    SELECT t.id INTO asset_id FROM tokens AS t WHERE t.chain_id = o.chain_id AND t.contract = o.token;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'opening % is of a token we do not know', opening_id;
    END IF;
    IF o.amount = 0 THEN
        RETURN NULL;
    END IF;
    RETURN post('opening', o.id, 'opening', o.chain_id, o.block_number,
        coalesce((SELECT b.block_time FROM blocks AS b WHERE b.chain_id = o.chain_id AND b.hash = o.block_hash), now()),
        ARRAY[account_for(custody_of(o.chain_id, o.address), asset_id), account_for('available:' || operator_account(), asset_id)],
        ARRAY[0, 0]::smallint[], ARRAY[o.amount, -o.amount]);
END $$;

-- A finalised deposit: to whom it was applied, the rest to suspense until somebody decides.
CREATE FUNCTION ledger.post_deposit(deposit_id text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    d          record;
    t          record;
    a          record;
    custody    text;
    credited   numeric := 0;                            -- to available; the rest is suspense
    creditor   text;
    books      bigint[];
    amounts    numeric[];
    booked_id  bigint;
BEGIN
    SELECT * INTO d FROM deposits WHERE id = deposit_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no deposit %', deposit_id;
    ELSIF d.state <> 'finalized' THEN
        RAISE EXCEPTION 'deposit % is %, not finalized', deposit_id, d.state;
    ELSIF d.amount = 0 THEN
        RAISE EXCEPTION 'deposit % is of nothing', deposit_id;
    ELSIF NOT EXISTS (SELECT 1 FROM tokens AS k WHERE k.id = d.token_id AND k.accepted AND k.chain_id = d.chain_id AND k.contract = d.token) THEN
        RAISE EXCEPTION 'deposit % is of a token we do not accept', deposit_id;
    END IF;
    SELECT * INTO t FROM final_transfer(d.chain_id, d.block_hash, d.log_index);
    IF (t.token, t.src, t.dst, t.amount, t.block_number) IS DISTINCT FROM (d.token, d.src, d.dst, d.amount::numeric, d.block_number) THEN
        RAISE EXCEPTION 'deposit % differs from its transfer on chain', deposit_id;
    END IF;
    custody := custody_of(d.chain_id, d.dst);
    IF custody IS NULL THEN
        RAISE EXCEPTION 'deposit % went to an address that is not ours', deposit_id;
    END IF;
    creditor := CASE d.kind WHEN 'payment' THEN d.account_id ELSE operator_account() END;
    IF d.kind = 'capital' THEN
        credited := d.amount;
    ELSIF d.kind = 'payment' THEN
        SELECT p.state, p.amount_applied INTO a FROM applications AS p WHERE p.deposit_id = d.id;
        IF NOT FOUND OR a.state NOT IN ('applied', 'unapplied') THEN
            RAISE EXCEPTION 'deposit % is neither applied nor unapplied', deposit_id;
        END IF;
        credited := CASE a.state WHEN 'applied' THEN a.amount_applied ELSE 0 END;
        IF credited > d.amount THEN
            RAISE EXCEPTION 'more of deposit % is applied than arrived', deposit_id;
        END IF;
    END IF;
    books := ARRAY[account_for(custody, d.token_id)];
    amounts := ARRAY[d.amount::numeric];
    IF credited > 0 THEN
        books := books || account_for('available:' || creditor, d.token_id);
        amounts := amounts || -credited;
    END IF;
    IF credited < d.amount THEN
        books := books || account_for('suspense:' || creditor, d.token_id);
        amounts := amounts || (credited - d.amount);
    END IF;
    booked_id := post('deposit', d.id, 'deposit', d.chain_id, d.block_number, t.block_time,
        books, array_fill(0::smallint, ARRAY[cardinality(books)]), amounts);
    PERFORM mark_booked(d.chain_id, d.block_hash, d.log_index, booked_id);
    RETURN booked_id;
END $$;

-- A final transfer between two addresses of ours. Null when both are in the same class: nothing moved in the books.
CREATE FUNCTION ledger.post_internal(of_chain bigint, of_block bytea, of_index integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    t          record;
    source     text;
    target     text;
    asset_id   text;
    booked_id  bigint;
BEGIN
    SELECT * INTO t FROM final_transfer(of_chain, of_block, of_index);
    source := custody_of(of_chain, t.src);
    target := custody_of(of_chain, t.dst);
    IF source IS NULL OR target IS NULL THEN
        RAISE EXCEPTION 'transfer % in block % of chain % is not between addresses of ours', of_index, encode(of_block, 'hex'), of_chain;
    END IF;
    IF source <> target AND t.amount > 0 THEN
        SELECT k.id INTO asset_id FROM tokens AS k WHERE k.chain_id = of_chain AND k.contract = t.token AND k.accepted;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'transfer % in block % of chain % is of a token we do not accept', of_index, encode(of_block, 'hex'), of_chain;
        END IF;
        booked_id := post('internal', format('%s/%s/%s', of_chain, encode(of_block, 'hex'), of_index), 'internal',
            of_chain, t.block_number, t.block_time,
            ARRAY[account_for(target, asset_id), account_for(source, asset_id)], ARRAY[0, 0]::smallint[], ARRAY[t.amount, -t.amount]);
    END IF;
    PERFORM mark_booked(of_chain, of_block, of_index, booked_id);
    RETURN booked_id;
END $$;

-- Sets the money of a pending payout aside, in what the account has and in what the vault holds.
CREATE FUNCTION ledger.post_hold(payout_id text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    p  record;
BEGIN
    SELECT * INTO p FROM payouts WHERE id = payout_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no payout %', payout_id;
    ELSIF p.state <> 'pending' OR p.holds < 1 THEN
        RAISE EXCEPTION 'payout % is % with % holds: nothing to hold', payout_id, p.state, p.holds;
    ELSIF EXISTS (SELECT 1 FROM tx AS h WHERE h.source = 'hold' AND h.source_id = payout_id || '#' || (p.holds - 1)
                     AND NOT EXISTS (SELECT 1 FROM tx AS r WHERE r.reverses = h.id)) THEN
        RAISE EXCEPTION 'payout % still holds money from before', payout_id;
    END IF;
    RETURN post('hold', payout_id || '#' || p.holds, 'hold', NULL, NULL, now(),
        ARRAY[account_for('available:' || p.account_id, p.token_id), account_for('custody:vault', p.token_id)],
        ARRAY[1, 2]::smallint[], ARRAY[p.amount, -p.amount]);
END $$;

-- The hold that a payout has now.
CREATE FUNCTION ledger.current_hold(payout_id text, holds integer) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    hold_id  bigint;
BEGIN
    SELECT t.id INTO hold_id FROM ledger.tx AS t WHERE t.source = 'hold' AND t.source_id = payout_id || '#' || holds;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'payout % holds no money', payout_id;
    END IF;
    RETURN hold_id;
END $$;

-- Gives back what a payout held that will not pay now.
CREATE FUNCTION ledger.post_release(payout_id text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    p  record;
BEGIN
    SELECT * INTO p FROM payouts WHERE id = payout_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no payout %', payout_id;
    ELSIF p.state NOT IN ('requires_action', 'canceled', 'failed') THEN
        RAISE EXCEPTION 'payout % is %: its hold stays', payout_id, p.state;
    END IF;
    RETURN post('release', payout_id || '#' || p.holds, 'release', NULL, NULL, now(),
        ARRAY[account_for('available:' || p.account_id, p.token_id), account_for('custody:vault', p.token_id)],
        ARRAY[1, 2]::smallint[], ARRAY[-p.amount, p.amount], current_hold(payout_id, p.holds));
END $$;

-- A paid payout: its one transfer is final, its hold ends, the money is gone from account and vault.
CREATE FUNCTION ledger.post_payout(payout_id text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    p          record;
    t          record;
    owed       bigint;
    vault      bigint;
    booked_id  bigint;
BEGIN
    SELECT q.*, k.contract INTO p FROM payouts AS q JOIN tokens AS k ON k.id = q.token_id WHERE q.id = payout_id FOR NO KEY UPDATE OF q;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no payout %', payout_id;
    ELSIF p.state <> 'paid' THEN
        RAISE EXCEPTION 'payout % is %, not paid', payout_id, p.state;
    END IF;
    SELECT * INTO t FROM final_transfer(p.chain_id, p.paid_block_hash, p.paid_log_index);
    IF (t.token, t.src, t.dst, t.amount) IS DISTINCT FROM (p.contract, p.vault, p.destination, p.amount::numeric) THEN
        RAISE EXCEPTION 'payout % differs from its transfer on chain', payout_id;
    END IF;
    owed := account_for('available:' || p.account_id, p.token_id);
    vault := account_for('custody:vault', p.token_id);
    booked_id := post('payout', p.id, 'payout', p.chain_id, t.block_number, t.block_time,
        ARRAY[owed, vault, owed, vault], ARRAY[1, 2, 0, 0]::smallint[],
        ARRAY[-p.amount, p.amount, p.amount, -p.amount], current_hold(payout_id, p.holds));
    PERFORM mark_booked(p.chain_id, p.paid_block_hash, p.paid_log_index, booked_id);
    RETURN booked_id;
END $$;

-- What a final attempt cost in the chain's native coin.
CREATE FUNCTION ledger.post_gas(of_tx_hash bytea) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    a       record;
    native  text;
BEGIN
    SELECT * INTO a FROM attempts WHERE tx_hash = of_tx_hash;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no attempt %', encode(of_tx_hash, 'hex');
    ELSIF a.state <> 'final' OR a.fee_paid IS NULL OR a.fee_paid <= 0 THEN
        RAISE EXCEPTION 'attempt % is %, with % paid: no fee to book', encode(of_tx_hash, 'hex'), a.state, a.fee_paid;
    ELSIF custody_of(a.chain_id, a.wallet) IS DISTINCT FROM 'custody:wallets' THEN
        RAISE EXCEPTION 'attempt % was sent by a wallet that is not ours', encode(of_tx_hash, 'hex');
    END IF;
    PERFORM require_final(a.chain_id, a.block_number);
    SELECT k.id INTO native FROM tokens AS k WHERE k.chain_id = a.chain_id AND k.contract = decode(repeat('00', 20), 'hex');
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the native coin of chain % is not listed as a token', a.chain_id;
    END IF;
    RETURN post('gas', encode(of_tx_hash, 'hex'), 'gas', a.chain_id, a.block_number,
        coalesce((SELECT b.block_time FROM blocks AS b WHERE b.chain_id = a.chain_id AND b.hash = a.block_hash), now()),
        ARRAY[account_for('expense:gas', native), account_for('custody:wallets', native)],
        ARRAY[0, 0]::smallint[], ARRAY[a.fee_paid, -a.fee_paid]);
END $$;

-- A payout and its hold are written in one database transaction or not at all, whichever process writes them.
CREATE FUNCTION ledger.refuse_payout_without_hold() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    p     record;
    held  boolean;
BEGIN
    IF pg_has_role(session_user, (SELECT c.relowner FROM pg_class AS c WHERE c.oid = tg_relid), 'member') THEN
        RETURN NULL;                                    -- the owner's administration; ledger.verify() still tells
    END IF;
    SELECT q.state, q.holds INTO STRICT p FROM public.payouts AS q WHERE q.id = new.id;
    held := EXISTS (SELECT 1 FROM ledger.tx AS t WHERE t.source = 'hold' AND t.source_id = new.id || '#' || p.holds
                       AND NOT EXISTS (SELECT 1 FROM ledger.tx AS r WHERE r.reverses = t.id));
    IF held <> (p.state IN ('pending', 'in_transit')) THEN
        RAISE EXCEPTION 'payout % is %, %', new.id, p.state, CASE WHEN held THEN 'but still has a hold' ELSE 'without a hold' END
            USING errcode = '23514', constraint = 'payout_holds_money';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER payout_holds_money AFTER INSERT OR UPDATE OF state, holds ON public.payouts
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger.refuse_payout_without_hold();

-- ───────────────────────── reading ─────────────────────────
CREATE VIEW ledger.balances AS
SELECT a.id, a.code, a.token_id, a.kind, a.owner_account, b.posted, b.held_debit, b.held_credit,
       CASE a.kind WHEN 'liability' THEN -(b.posted + b.held_debit)
                   WHEN 'asset' THEN b.posted + b.held_credit END AS available
  FROM ledger.account AS a
  JOIN ledger.balance AS b ON b.account_id = a.id;

-- Per token: what all posted and all held entries sum to. Both columns are zero, always.
CREATE FUNCTION ledger.trial_balance() RETURNS TABLE (token_id text, posted numeric, held numeric)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT e.token_id, coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0), coalesce(sum(e.amount) FILTER (WHERE e.layer <> 0), 0)
      FROM ledger.entry AS e GROUP BY e.token_id ORDER BY e.token_id
$$;

-- Everything in the books that contradicts itself or the rows it was read from. Empty, always.
CREATE FUNCTION ledger.verify() RETURNS TABLE (rule text, subject text, found text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'transaction balances', e.tx_id || ' ' || e.token_id, 'posted ' || coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0)
           || ', held ' || coalesce(sum(e.amount) FILTER (WHERE e.layer <> 0), 0)
      FROM ledger.entry AS e GROUP BY e.tx_id, e.token_id
    HAVING coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0) <> 0 OR coalesce(sum(e.amount) FILTER (WHERE e.layer <> 0), 0) <> 0
     UNION ALL
    SELECT 'transaction has entries', t.id::text, 'none'
      FROM ledger.tx AS t WHERE NOT EXISTS (SELECT 1 FROM ledger.entry AS e WHERE e.tx_id = t.id)
     UNION ALL
    SELECT 'balance is the sum of its entries', a.code || ' ' || a.token_id,
           format('balance %s/%s/%s, entries %s/%s/%s', b.posted, b.held_debit, b.held_credit, s.posted, s.held_debit, s.held_credit)
      FROM ledger.account AS a
      JOIN ledger.balance AS b ON b.account_id = a.id
     CROSS JOIN LATERAL (SELECT coalesce(sum(e.amount) FILTER (WHERE e.layer = 0), 0) AS posted,
                                coalesce(sum(e.amount) FILTER (WHERE e.layer = 1), 0) AS held_debit,
                                coalesce(sum(e.amount) FILTER (WHERE e.layer = 2), 0) AS held_credit
                           FROM ledger.entry AS e WHERE e.account_id = a.id) AS s
     WHERE (b.posted, b.held_debit, b.held_credit) IS DISTINCT FROM (s.posted, s.held_debit, s.held_credit)
     UNION ALL
    SELECT 'booked transfer is canonical', format('%s/%s/%s', k.chain_id, encode(k.block_hash, 'hex'), k.log_index), 'orphaned'
      FROM ledger.booked AS k
      JOIN public.transfers AS t ON t.chain_id = k.chain_id AND t.block_hash = k.block_hash AND t.log_index = k.log_index
     WHERE NOT t.canonical
     UNION ALL
    SELECT 'transaction books one transfer', k.tx_id::text, count(*) || ' transfers'
      FROM ledger.booked AS k WHERE k.tx_id IS NOT NULL GROUP BY k.tx_id HAVING count(*) > 1
     UNION ALL
    SELECT 'payout holds money exactly while it may pay', p.id, p.state || CASE WHEN h.live THEN ', held' ELSE ', not held' END
      FROM public.payouts AS p
     CROSS JOIN LATERAL (SELECT EXISTS (SELECT 1 FROM ledger.tx AS t
                                         WHERE t.source = 'hold' AND t.source_id = p.id || '#' || p.holds
                                           AND NOT EXISTS (SELECT 1 FROM ledger.tx AS r WHERE r.reverses = t.id)) AS live) AS h
     WHERE h.live <> (p.state IN ('pending', 'in_transit'))
$$;
