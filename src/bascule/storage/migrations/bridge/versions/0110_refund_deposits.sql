-- A deposit that counts for no payment goes back by a refund of its own: a refund is of a payment intent or of a deposit.
ALTER TABLE refunds ALTER COLUMN payment_intent_id DROP NOT NULL,
    ADD COLUMN deposit_id text REFERENCES deposits,
    ADD CONSTRAINT of_a_payment_or_a_deposit CHECK (num_nonnulls(payment_intent_id, deposit_id) = 1);
CREATE INDEX refunds_by_deposit ON refunds (deposit_id) WHERE deposit_id IS NOT NULL;
GRANT INSERT (deposit_id) ON refunds TO bascule_api;
GRANT SELECT (deposit_id) ON refunds TO bascule_auditor;

-- As before (0091); a deposit that is to go back is counted under the lock of what was decided about it.
CREATE OR REPLACE FUNCTION admit_refund() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    held   record;
    given  record;
BEGIN
    PERFORM FROM payment_intents AS i WHERE i.id = new.payment_intent_id FOR NO KEY UPDATE;
    PERFORM FROM applications AS a WHERE a.deposit_id = new.deposit_id FOR NO KEY UPDATE;
    SELECT coalesce(sum(d.amount), 0) AS amount, coalesce(sum(d.amount - a.amount_applied), 0) AS excess INTO held
      FROM applications AS a JOIN deposits AS d ON d.id = a.deposit_id
     WHERE (a.intent_id = new.payment_intent_id AND a.state = 'applied' OR a.deposit_id = new.deposit_id AND a.state = 'refunded')
       AND d.state = 'finalized' AND (d.token_id, d.account_id, d.livemode) = (new.token_id, new.account_id, new.livemode);
    SELECT coalesce(sum(r.amount) FILTER (WHERE r.state NOT IN ('failed', 'canceled')), 0) AS amount,
           coalesce(sum(r.excess) FILTER (WHERE r.state NOT IN ('failed', 'canceled') OR EXISTS (
               SELECT FROM ledger.tx AS t WHERE t.source = 'refund' AND t.source_id = r.id)), 0) AS excess INTO given
      FROM refunds AS r
     WHERE (r.payment_intent_id = new.payment_intent_id OR r.deposit_id = new.deposit_id) AND r.token_id = new.token_id;
    IF given.amount + new.amount > held.amount THEN
        RAISE EXCEPTION 'refund % of % beside %, of % that is final', new.id, new.amount, given.amount, held.amount
            USING errcode = '23514', constraint = 'refunds_within_final';
    END IF;
    new.excess := least(new.amount::numeric, greatest(0, held.excess - given.excess));
    new.payout_identity := 'refund:' || coalesce(new.payment_intent_id, new.deposit_id) || ':' || (1 + (
        SELECT count(*) FROM refunds AS r WHERE r.payment_intent_id = new.payment_intent_id OR r.deposit_id = new.deposit_id));
    RETURN new;
END $$;

-- As before (0026). What is final and in the books may also go back, whole; where it did not, it may be kept after all.
CREATE OR REPLACE FUNCTION refuse_beyond_choice() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    d    record;
    may  boolean;
BEGIN
    IF NOT pg_has_role(session_user, 'bascule_api', 'member') OR pg_has_role(session_user, 'bascule_watcher', 'member') THEN
        RETURN new;
    END IF;
    SELECT e.account_id, e.livemode, e.amount, e.state, e.kind, k.currency,
           e.amount * 10::numeric ^ (18 - k.decimals) <= 10::numeric ^ 54 AS believed,
           EXISTS (SELECT FROM token_suspensions AS s WHERE s.token_id = e.token_id AND s.ended_at IS NULL) AS suspended
      INTO STRICT d FROM deposits AS e LEFT JOIN tokens AS k ON k.id = e.token_id WHERE e.id = new.deposit_id;
    may := new.amount_applied <= d.amount
       AND (new.intent_id IS NULL OR EXISTS (SELECT FROM payment_intents AS i WHERE i.id = new.intent_id
                                                AND i.account_id = d.account_id AND i.livemode = d.livemode
                                                AND (new.state <> 'applied' OR i.currency = d.currency)))
       AND CASE old.state
           WHEN 'unapplied' THEN d.kind = 'payment' AND CASE new.state
               WHEN 'unapplied' THEN (old.reason = 'orphaned') = (new.reason = 'orphaned')
               ELSE d.state <> 'orphaned' AND d.believed
                    AND (new.state <> 'refunded' OR d.state = 'finalized' AND new.amount_applied = 0)
                    AND NOT (d.state = 'finalized' AND d.suspended)  -- what is not final waits by itself
                    AND old.reason NOT IN ('orphaned', 'unsupported_token', 'unsolicited', 'test_mode') END
           WHEN 'applied' THEN (new.state, new.intent_id, new.chosen) = (old.state, old.intent_id, old.chosen)
                               AND (d.state <> 'finalized' OR new.amount_applied = old.amount_applied)
           WHEN 'refunded' THEN (new.state, new.amount_applied) = (old.state, old.amount_applied)
                             OR new.state = 'accepted' AND old.amount_applied = 0 AND NOT d.suspended AND NOT EXISTS (
                                    SELECT FROM refunds AS r WHERE r.deposit_id = new.deposit_id
                                       AND (r.state NOT IN ('failed', 'canceled') OR EXISTS (
                                            SELECT FROM ledger.tx AS t WHERE t.source = 'refund' AND t.source_id = r.id)))
           ELSE (new.state, new.amount_applied) = (old.state, old.amount_applied) END;
    IF may THEN
        RETURN new;
    END IF;
    RAISE EXCEPTION 'deposit %, which is %, is not for the API to make %', new.deposit_id, old.state, new.state
        USING errcode = '42501';
END $$;
