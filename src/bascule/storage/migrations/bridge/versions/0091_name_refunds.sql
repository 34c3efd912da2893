-- What the vault's calldata keeps of a refund must be found again by a database that forgot the refund: the identity of its
-- payout is the payment and the refund's place among the payment's, not an id that was drawn by lot. Older ones keep theirs.
ALTER TABLE refunds ADD COLUMN payout_identity text;
ALTER TABLE refunds DISABLE TRIGGER ends_once;
UPDATE refunds SET payout_identity = id;
ALTER TABLE refunds ENABLE TRIGGER ends_once;
ALTER TABLE refunds ALTER COLUMN payout_identity SET NOT NULL;
CREATE UNIQUE INDEX one_payout_identity_per_refund ON refunds (payout_identity);

-- As before (0078), and it names the payout; the intent's lock makes the places follow each other.
CREATE OR REPLACE FUNCTION admit_refund() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    held   record;
    given  record;
BEGIN
    PERFORM FROM payment_intents AS i WHERE i.id = new.payment_intent_id FOR NO KEY UPDATE;
    SELECT coalesce(sum(d.amount), 0) AS amount, coalesce(sum(d.amount - a.amount_applied), 0) AS excess INTO held
      FROM applications AS a JOIN deposits AS d ON d.id = a.deposit_id
     WHERE a.intent_id = new.payment_intent_id AND a.state = 'applied' AND d.state = 'finalized'
       AND (d.token_id, d.account_id, d.livemode) = (new.token_id, new.account_id, new.livemode);
    SELECT coalesce(sum(r.amount) FILTER (WHERE r.state NOT IN ('failed', 'canceled')), 0) AS amount,
           coalesce(sum(r.excess) FILTER (WHERE r.state NOT IN ('failed', 'canceled') OR EXISTS (
               SELECT FROM ledger.tx AS t WHERE t.source = 'refund' AND t.source_id = r.id)), 0) AS excess INTO given
      FROM refunds AS r WHERE r.payment_intent_id = new.payment_intent_id AND r.token_id = new.token_id;
    IF given.amount + new.amount > held.amount THEN
        RAISE EXCEPTION 'refund % of % beside %, of % that is final', new.id, new.amount, given.amount, held.amount
            USING errcode = '23514', constraint = 'refunds_within_final';
    END IF;
    new.excess := least(new.amount::numeric, greatest(0, held.excess - given.excess));
    new.payout_identity := 'refund:' || new.payment_intent_id || ':' || (1 + (
        SELECT count(*) FROM refunds AS r WHERE r.payment_intent_id = new.payment_intent_id));
    RETURN new;
END $$;

-- As before (0078), by that name.
CREATE OR REPLACE FUNCTION refuse_unasked_payout() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM refunds AS r WHERE r.payout_identity = new.identity AND r.state = 'pending' AND r.payout_id IS NULL
                      AND (r.account_id, r.livemode, r.token_id, r.destination, r.amount::numeric)
                        = (new.account_id, new.livemode, new.token_id, new.destination, new.amount::numeric)) THEN
        RAISE EXCEPTION 'no refund asks for payout %', new.id USING errcode = '42501';
    ELSIF tg_op = 'UPDATE' AND (old.state, new.state) <> ('requires_action', 'pending')
       OR tg_op = 'UPDATE' AND new.mandate_id IS NULL THEN
        RAISE EXCEPTION 'payout % becomes % by its approvals', new.id, new.state USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
