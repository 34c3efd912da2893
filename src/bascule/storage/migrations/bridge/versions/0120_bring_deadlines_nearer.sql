-- A test clock moves no clock: it brings the deadlines of one account's test objects nearer by a span, which to them is the same.
-- Whether a change of a row is no more than that. before, after: the whole rows.
CREATE FUNCTION comes_nearer(before jsonb, after jsonb, VARIADIC deadlines text[]) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT NOT (before ->> 'livemode')::boolean
       AND before - deadlines - 'version' = after - deadlines - 'version'
       AND NOT EXISTS (SELECT FROM unnest(deadlines) AS d
                        WHERE (after ->> d) IS DISTINCT FROM (before ->> d)
                          AND ((after ->> d)::timestamptz < (before ->> d)::timestamptz) IS NOT TRUE)
$$;
REVOKE EXECUTE ON FUNCTION comes_nearer(jsonb, jsonb, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION comes_nearer(jsonb, jsonb, text[]) TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;

-- The guards stand as before, but for this.
DROP TRIGGER only_more_time ON payment_intents;
CREATE TRIGGER only_more_time BEFORE UPDATE OF expires_at, closes_at ON payment_intents FOR EACH ROW
    WHEN ((old.state <> 'requires_action' OR 'expired' = ANY (old.flags)
           OR new.expires_at < old.expires_at OR new.closes_at < old.closes_at)
          AND (old.livemode OR NOT comes_nearer(to_jsonb(old.*), to_jsonb(new.*), 'expires_at', 'closes_at')))
    EXECUTE FUNCTION refuse_less_time();
DROP TRIGGER append_only ON quotes;
CREATE TRIGGER never_deleted BEFORE DELETE ON quotes FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_changed BEFORE UPDATE ON quotes FOR EACH ROW
    WHEN (old.livemode OR NOT comes_nearer(to_jsonb(old.*), to_jsonb(new.*), 'lock_expires_at'))
    EXECUTE FUNCTION refuse_change();
DROP TRIGGER stands_once_final ON invoices;
CREATE TRIGGER born_as_it_should BEFORE INSERT ON invoices FOR EACH ROW EXECUTE FUNCTION guard_invoice();
CREATE TRIGGER stands_once_final BEFORE UPDATE ON invoices FOR EACH ROW
    WHEN (old.livemode OR old.state <> 'open' OR new.due_at IS NOT DISTINCT FROM old.due_at
          OR NOT comes_nearer(to_jsonb(old.*), to_jsonb(new.*), 'due_at'))
    EXECUTE FUNCTION guard_invoice();
DROP TRIGGER ends_once ON refunds;
CREATE TRIGGER ends_once BEFORE UPDATE ON refunds FOR EACH ROW
    WHEN (old.livemode OR new.pays_at IS NOT DISTINCT FROM old.pays_at OR old.state <> 'pending'
          OR NOT comes_nearer(to_jsonb(old.*), to_jsonb(new.*), 'pays_at', 'look_at'))
    EXECUTE FUNCTION guard_refund();

-- How many objects of each kind have a deadline that came nearer. reached: the block time up to which the account's chains are;
-- what was paid until then was in time, so no payment's deadline passes it. A quote that was used and what is over stay.
CREATE FUNCTION advance_test_clock(of_account text, span interval, reached timestamptz, OUT payment_intents bigint,
                                   OUT quotes bigint, OUT invoices bigint, OUT refunds bigint, OUT settlements bigint,
                                   OUT balance_settings bigint, OUT deliveries bigint, OUT webhook_endpoints bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    IF span <= interval '0' OR span IS NULL OR reached IS NULL THEN
        RAISE EXCEPTION 'a test clock only goes on' USING errcode = '22023';
    END IF;
    PERFORM FROM payment_intents AS i WHERE i.account_id = of_account AND NOT i.livemode AND i.state IN ('requires_action', 'processing')
      ORDER BY i.id FOR NO KEY UPDATE;
    UPDATE payment_intents AS i SET version = i.version + 1,
           expires_at = greatest(i.expires_at - span, least(i.expires_at, reached)),
           closes_at = greatest(i.closes_at - span, least(i.closes_at, reached))
     WHERE i.account_id = of_account AND NOT i.livemode AND i.state IN ('requires_action', 'processing') AND i.closes_at > reached;
    GET DIAGNOSTICS payment_intents = ROW_COUNT;
    UPDATE quotes AS q SET lock_expires_at = greatest(q.lock_expires_at - span, q.created_at + interval '1 microsecond')
     WHERE q.account_id = of_account AND NOT q.livemode AND q.lock_expires_at > q.created_at + interval '1 microsecond'
       AND NOT EXISTS (SELECT FROM payment_intents AS i WHERE i.quote_id = q.id);
    GET DIAGNOSTICS quotes = ROW_COUNT;
    UPDATE invoices AS v SET version = v.version + 1, due_at = v.due_at - span
     WHERE v.account_id = of_account AND NOT v.livemode AND v.state = 'open';
    GET DIAGNOSTICS invoices = ROW_COUNT;
    UPDATE refunds AS r SET version = r.version + 1, claim_expires_at = r.claim_expires_at - span
     WHERE r.account_id = of_account AND NOT r.livemode AND r.state = 'requires_action';
    GET DIAGNOSTICS refunds = ROW_COUNT;
    UPDATE refunds AS r SET version = r.version + 1, pays_at = r.pays_at - span, look_at = r.look_at - span
     WHERE r.account_id = of_account AND NOT r.livemode AND r.state = 'pending' AND r.payout_id IS NULL;
    GET DIAGNOSTICS settlements = ROW_COUNT;
    refunds := refunds + settlements;
    UPDATE settlements AS s SET version = s.version + 1, look_at = s.look_at - span
     WHERE s.account_id = of_account AND NOT s.livemode AND s.state = 'scheduled' AND s.payout_id IS NULL AND s.look_at IS NOT NULL;
    GET DIAGNOSTICS settlements = ROW_COUNT;
    UPDATE balance_settings AS b SET version = b.version + 1, next_run_at = b.next_run_at - span, destination_from = b.destination_from - span
     WHERE b.account_id = of_account AND NOT b.livemode AND (b.next_run_at IS NOT NULL OR b.destination_from IS NOT NULL);
    GET DIAGNOSTICS balance_settings = ROW_COUNT;
    UPDATE deliveries AS d SET next_at = d.next_at - span FROM webhook_endpoints AS w
     WHERE w.id = d.endpoint_id AND w.account_id = of_account AND NOT w.livemode AND d.state = 'scheduled';
    GET DIAGNOSTICS deliveries = ROW_COUNT;
    UPDATE webhook_endpoints AS w SET version = w.version + 1, failing_since = w.failing_since - span,
           previous_expires_at = w.previous_expires_at - span
     WHERE w.account_id = of_account AND NOT w.livemode AND w.state = 'enabled'
       AND (w.failing_since IS NOT NULL OR w.previous_expires_at IS NOT NULL);
    GET DIAGNOSTICS webhook_endpoints = ROW_COUNT;
    PERFORM pg_notify('bascule_deliveries', '');
END $$;
REVOKE EXECUTE ON FUNCTION advance_test_clock(text, interval, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION advance_test_clock(text, interval, timestamptz) TO bascule_api;
