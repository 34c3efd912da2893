-- What the platform withheld of an account in a closed month is in the journal; an invoice that says otherwise is refused.
CREATE FUNCTION refuse_other_fees() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    begins    timestamptz := new.month::timestamp AT TIME ZONE 'UTC';
    ends      timestamptz := (new.month + interval '1 month') AT TIME ZONE 'UTC';
    withheld  numeric;
BEGIN
    SELECT coalesce(sum(e.amount * ('1e' || (18 - k.decimals))::numeric), 0) INTO withheld
      FROM account AS a
      JOIN tokens AS k ON k.id = a.token_id AND k.currency = new.currency
      JOIN networks AS n ON n.chain_id = k.chain_id AND n.livemode = new.livemode
      JOIN entry AS e ON e.account_id = a.id AND e.layer = 0
       AND e.tx_id >= coalesce((SELECT max(p.first_tx) FROM period AS p WHERE p.until <= begins), 0)
      JOIN tx AS x ON x.id = e.tx_id AND x.kind = 'fee' AND x.effective_at >= begins AND x.effective_at < ends
     WHERE a.code = 'available:' || new.account_id;
    IF withheld IS DISTINCT FROM new.total THEN
        RAISE EXCEPTION 'invoice % states %, % was withheld', new.id, new.total, withheld
            USING errcode = '23514', constraint = 'states_what_was_withheld';
    END IF;
    RETURN new;
END $$;
REVOKE EXECUTE ON FUNCTION refuse_other_fees() FROM PUBLIC;
CREATE TRIGGER as_booked BEFORE INSERT ON invoices FOR EACH ROW WHEN (new.type = 'platform_fees') EXECUTE FUNCTION refuse_other_fees();
