-- As before (0019). What the API's login applies or accepts is believable and of the intent's currency, and booked money
-- of a suspended token stays where it is.
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
               ELSE new.state <> 'refunded' AND d.state <> 'orphaned' AND d.believed
                    AND NOT (d.state = 'finalized' AND d.suspended)  -- what is not final waits by itself
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
