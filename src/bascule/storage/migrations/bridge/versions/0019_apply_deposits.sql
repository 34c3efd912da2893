-- What a merchant decides about money that was unapplied: which intent it counts for, or that it is kept without one.

-- chosen: the intent is the merchant's choice, and not the one whose address the money came to.
ALTER TABLE applications ADD COLUMN chosen boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT chosen_has_intent CHECK (NOT chosen OR intent_id IS NOT NULL);
CREATE INDEX applications_chosen ON applications (intent_id) WHERE chosen;

-- ───────────────────────── the books ─────────────────────────
ALTER TABLE ledger.tx DROP CONSTRAINT tx_kind_check,
    ADD CONSTRAINT tx_kind_check CHECK (kind IN ('opening', 'deposit', 'internal', 'hold', 'release', 'payout', 'gas', 'application'));

-- As before; money that was accepted before it was final is credited whole.
CREATE OR REPLACE FUNCTION ledger.post_deposit(deposit_id text) RETURNS bigint
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
        IF NOT FOUND OR a.state NOT IN ('applied', 'accepted', 'unapplied') THEN
            RAISE EXCEPTION 'deposit % is neither applied, accepted nor unapplied', deposit_id;
        END IF;
        credited := CASE a.state WHEN 'applied' THEN a.amount_applied WHEN 'accepted' THEN d.amount ELSE 0 END;
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

-- What was decided about a deposit after it was booked: its money moves from suspense to the merchant.
-- Null when nothing of it was asked for.
CREATE FUNCTION ledger.post_application(of_deposit text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    d         record;
    p         record;
    credited  numeric;
BEGIN
    SELECT * INTO d FROM deposits WHERE id = of_deposit;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'there is no deposit %', of_deposit;
    ELSIF d.state <> 'finalized' OR d.kind <> 'payment' THEN
        RAISE EXCEPTION 'deposit % is a % of kind %: nothing was decided about it', of_deposit, d.state, d.kind;
    END IF;
    PERFORM require_final(d.chain_id, d.block_number);
    SELECT q.state, q.amount_applied INTO p FROM applications AS q WHERE q.deposit_id = of_deposit;
    credited := CASE p.state WHEN 'applied' THEN p.amount_applied WHEN 'accepted' THEN d.amount END;
    IF credited IS NULL OR credited > d.amount THEN
        RAISE EXCEPTION 'deposit % is %, with % of % applied', of_deposit, p.state, p.amount_applied, d.amount;
    ELSIF NOT EXISTS (SELECT 1 FROM tx AS t JOIN entry AS e ON e.tx_id = t.id JOIN account AS a ON a.id = e.account_id
                       WHERE t.source = 'deposit' AND t.source_id = of_deposit
                         AND a.code = 'suspense:' || d.account_id AND e.amount = -d.amount) THEN
        RAISE EXCEPTION 'deposit % does not lie in suspense', of_deposit;
    ELSIF credited = 0 THEN
        RETURN NULL;
    END IF;
    RETURN post('application', of_deposit, 'application', NULL, NULL, now(),
        ARRAY[account_for('suspense:' || d.account_id, d.token_id), account_for('available:' || d.account_id, d.token_id)],
        ARRAY[0, 0]::smallint[], ARRAY[credited, -credited]);
END $$;

-- Booked payments that are credited otherwise than they are applied. Empty, always.
CREATE FUNCTION ledger.verify_applications() RETURNS TABLE (rule text, subject text, found text)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT 'deposit is credited as it is applied', d.id, format('%s %s, credited %s', p.state, w.due, w.credited)
      FROM public.deposits AS d
      JOIN public.applications AS p ON p.deposit_id = d.id AND p.state <> 'refunded'
      JOIN ledger.tx AS t ON t.source = 'deposit' AND t.source_id = d.id
     CROSS JOIN LATERAL (
        SELECT CASE p.state WHEN 'applied' THEN p.amount_applied::numeric WHEN 'accepted' THEN d.amount::numeric ELSE 0 END AS due,
               coalesce((SELECT -sum(e.amount)
                           FROM ledger.tx AS x
                           JOIN ledger.entry AS e ON e.tx_id = x.id
                           JOIN ledger.account AS a ON a.id = e.account_id
                          WHERE x.source IN ('deposit', 'application') AND x.source_id = d.id
                            AND a.code = 'available:' || d.account_id), 0) AS credited) AS w
     WHERE d.kind = 'payment' AND w.due <> w.credited
$$;
REVOKE EXECUTE ON FUNCTION ledger.post_application(text), ledger.verify_applications() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.verify_applications() TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;

-- ───────────────────────── what the API may decide ─────────────────────────
GRANT EXECUTE ON FUNCTION ledger.post_application(text) TO bascule_api;
GRANT UPDATE (state, reason, intent_id, amount_applied, chosen, updated_at) ON applications TO bascule_api;
GRANT UPDATE (version) ON deposits TO bascule_api;
GRANT UPDATE (received, confirmed, flags, succeeded_by) ON payment_intents TO bascule_api;

-- It applies and accepts what is unapplied and may be, for the same account; what came is the watcher's to say.
CREATE FUNCTION refuse_beyond_choice() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    d    record;
    may  boolean;
BEGIN
    IF NOT pg_has_role(session_user, 'bascule_api', 'member') OR pg_has_role(session_user, 'bascule_watcher', 'member') THEN
        RETURN new;
    END IF;
    SELECT e.account_id, e.livemode, e.amount, e.state, e.kind INTO STRICT d FROM deposits AS e WHERE e.id = new.deposit_id;
    may := new.amount_applied <= d.amount
       AND (new.intent_id IS NULL OR EXISTS (SELECT FROM payment_intents AS i WHERE i.id = new.intent_id
                                                AND i.account_id = d.account_id AND i.livemode = d.livemode))
       AND CASE old.state
           WHEN 'unapplied' THEN d.kind = 'payment' AND CASE new.state
               WHEN 'unapplied' THEN (old.reason = 'orphaned') = (new.reason = 'orphaned')
               ELSE new.state <> 'refunded' AND d.state <> 'orphaned'
                    AND old.reason NOT IN ('orphaned', 'unsupported_token', 'unsolicited', 'test_mode') END
           WHEN 'applied' THEN (new.state, new.intent_id, new.chosen) = (old.state, old.intent_id, old.chosen)
                               AND (d.state <> 'finalized' OR new.amount_applied = old.amount_applied)
           ELSE (new.state, new.amount_applied) = (old.state, old.amount_applied) END;
    IF may THEN
        RETURN new;
    END IF;
    RAISE EXCEPTION 'deposit %, which is %, is not for the API to make %', new.deposit_id, old.state, new.state
        USING errcode = '42501';
END $$;
CREATE TRIGGER only_chooses BEFORE UPDATE ON applications FOR EACH ROW EXECUTE FUNCTION refuse_beyond_choice();
REVOKE EXECUTE ON FUNCTION refuse_beyond_choice() FROM PUBLIC;

-- It asks for money and calls that off. What an intent received it may write as its deposits' rows say, and only so.
CREATE OR REPLACE FUNCTION refuse_beyond_cancel() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    came       numeric;
    stays      numeric;
    relied_on  numeric;
    enough     numeric := greatest(1, new.due - greatest(div(new.due * new.underpay_tolerance_bps, 10000), new.underpay_tolerance_abs));
BEGIN
    IF NOT pg_has_role(session_user, 'bascule_api', 'member') OR pg_has_role(session_user, 'bascule_watcher', 'member') THEN
        RETURN new;
    ELSIF (new.received, new.confirmed) = (old.received, old.confirmed)
       AND (new.state = old.state OR (old.state, new.state) = ('requires_action', 'canceled')) THEN
        RETURN new;
    END IF;
    SELECT coalesce(sum(d.amount * 10::numeric ^ (18 - k.decimals)), 0),
           coalesce(sum(d.amount * 10::numeric ^ (18 - k.decimals)) FILTER (WHERE d.state = 'finalized'), 0),
           coalesce(sum(d.amount * 10::numeric ^ (18 - k.decimals)) FILTER (WHERE d.state = 'finalized' OR d.early IS NOT NULL), 0)
      INTO came, stays, relied_on
      FROM applications AS p
      JOIN deposits AS d ON d.id = p.deposit_id
      JOIN tokens AS k ON k.id = d.token_id
     WHERE p.intent_id = new.id AND d.state <> 'orphaned'
       AND (p.state = 'applied' OR (p.state = 'refunded' AND p.amount_applied > 0));
    IF (new.received, new.confirmed) = (came, stays)
       AND (new.state = old.state
            OR (old.state, new.state) = ('requires_action', 'processing') AND came >= enough
            OR old.state IN ('requires_action', 'processing') AND new.state = 'succeeded' AND relied_on >= enough) THEN
        RETURN new;
    END IF;
    RAISE EXCEPTION 'payment intent % is not for the API to make % with % received and % confirmed',
        new.id, new.state, new.received, new.confirmed USING errcode = '42501';
END $$;
DROP TRIGGER only_calls_off ON payment_intents;
CREATE TRIGGER only_calls_off BEFORE UPDATE OF state, received, confirmed ON payment_intents
    FOR EACH ROW EXECUTE FUNCTION refuse_beyond_cancel();
