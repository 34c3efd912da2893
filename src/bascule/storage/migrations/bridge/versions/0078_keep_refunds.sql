-- Money of a payment that goes back. Its payout's identity is the refund's id, so there is one payout or none.
CREATE TABLE refunds (
    id                   text PRIMARY KEY,              -- re_…
    account_id           text NOT NULL REFERENCES accounts,
    livemode             boolean NOT NULL,
    identity             text NOT NULL,                 -- client_reference_id, else the idempotency key; for ever
    payment_intent_id    text NOT NULL REFERENCES payment_intents,
    token_id             text NOT NULL REFERENCES tokens,
    amount               base_units NOT NULL CHECK (amount > 0),
    excess               base_units NOT NULL DEFAULT 0, -- of it, what was paid too much; said by `admit_refund`
    reason               text CHECK (reason IN ('duplicate', 'fraudulent', 'requested_by_customer')),
    client_reference_id  text,
    description          text,
    metadata             jsonb NOT NULL DEFAULT '{}',
    requested_by         text NOT NULL,                 -- key_…
    created_at           timestamptz NOT NULL,
    claim_hash           hash32 UNIQUE,                 -- of the token in the claim link, which no table has
    claim_expires_at     timestamptz CHECK (isfinite(claim_expires_at)),
    payer                evm_address,                   -- who paid and signed where the money goes, without any link
    destination          evm_address,                   -- once claimed or proven, for ever
    claimed_at           timestamptz,
    pays_at              timestamptz,                   -- end of the cool-off
    state                text NOT NULL CHECK (state IN ('requires_action', 'pending', 'succeeded', 'failed', 'canceled')),
    waits_for            text,                          -- why a pending one has no payout yet, if there is a reason
    look_at              timestamptz,                   -- not tried again before
    failure_code         text,
    payout_id            text UNIQUE REFERENCES payouts,
    ended_at             timestamptz,
    version              integer NOT NULL DEFAULT 1,
    CONSTRAINT one_refund_per_identity UNIQUE (account_id, livemode, identity),
    CONSTRAINT link_or_payer CHECK ((claim_hash IS NULL) = (payer IS NOT NULL) AND (claim_hash IS NULL) = (claim_expires_at IS NULL)),
    CONSTRAINT excess_is_part_of_it CHECK (excess::numeric <= amount::numeric),
    CONSTRAINT pending_has_destination CHECK (state NOT IN ('pending', 'succeeded', 'failed') OR (destination IS NOT NULL AND pays_at IS NOT NULL)),
    CONSTRAINT failed_refund_has_code CHECK ((state = 'failed') = (failure_code IS NOT NULL)),
    CONSTRAINT ended_has_time CHECK ((state IN ('succeeded', 'failed', 'canceled')) = (ended_at IS NOT NULL))
);
CREATE INDEX refunds_by_account ON refunds (account_id, livemode, created_at DESC, id DESC);
CREATE INDEX refunds_by_intent ON refunds (payment_intent_id);
CREATE INDEX refunds_to_claim ON refunds (claim_expires_at) WHERE state = 'requires_action';
CREATE INDEX refunds_to_pay ON refunds (greatest(pays_at, look_at)) WHERE state = 'pending' AND payout_id IS NULL;
CREATE INDEX refunds_to_follow ON refunds (payout_id) WHERE state = 'pending' AND payout_id IS NOT NULL;

-- What went back of an intent for good: 10^-18 of the currency.
ALTER TABLE payment_intents ADD COLUMN refunded numeric(78, 0) NOT NULL DEFAULT 0 CHECK (refunded >= 0);

-- Never more goes back of a payment than became final of it, however many ask at once: each is counted under the intent's lock.
-- What was paid too much goes first; where a payout was made of it once, it is the merchant's since.
CREATE FUNCTION admit_refund() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
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
    RETURN new;
END $$;
CREATE TRIGGER within_final BEFORE INSERT ON refunds FOR EACH ROW EXECUTE FUNCTION admit_refund();

-- What ended stays ended, whom it pays is said once, and it ends as its payout did.
CREATE FUNCTION guard_refund() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    outcome  text;
BEGIN
    SELECT p.state INTO outcome FROM payouts AS p WHERE p.id = new.payout_id;
    IF old.state IN ('succeeded', 'failed', 'canceled') THEN
        RAISE EXCEPTION 'refund % is %, for ever', old.id, old.state USING errcode = '42501';
    ELSIF old.destination IS DISTINCT FROM new.destination AND old.destination IS NOT NULL
       OR old.payout_id IS DISTINCT FROM new.payout_id AND old.payout_id IS NOT NULL THEN
        RAISE EXCEPTION 'refund % has its destination and its payout once', old.id USING errcode = '42501';
    ELSIF new.state = 'succeeded' AND outcome IS DISTINCT FROM 'paid' THEN
        RAISE EXCEPTION 'refund % is not paid', old.id USING errcode = '42501';
    ELSIF new.state IN ('failed', 'canceled') AND outcome NOT IN ('failed', 'canceled') THEN
        RAISE EXCEPTION 'refund % may still be paid', old.id USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER ends_once BEFORE UPDATE ON refunds FOR EACH ROW EXECUTE FUNCTION guard_refund();
CREATE TRIGGER never_deleted BEFORE DELETE ON refunds FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON refunds FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The worker asks for payouts that a refund asks for, word for word, and for no others.
CREATE FUNCTION refuse_unasked_payout() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM refunds AS r WHERE r.id = new.identity AND r.state = 'pending' AND r.payout_id IS NULL
                      AND (r.account_id, r.livemode, r.token_id, r.destination, r.amount::numeric)
                        = (new.account_id, new.livemode, new.token_id, new.destination, new.amount::numeric)) THEN
        RAISE EXCEPTION 'no refund asks for payout %', new.id USING errcode = '42501';
    ELSIF tg_op = 'UPDATE' AND (old.state, new.state) <> ('requires_action', 'pending')
       OR tg_op = 'UPDATE' AND new.mandate_id IS NULL THEN
        RAISE EXCEPTION 'payout % becomes % by its approvals', new.id, new.state USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER only_refunds BEFORE INSERT OR UPDATE ON payouts FOR EACH ROW
    WHEN (pg_has_role(session_user, 'bascule_worker', 'member') AND NOT pg_has_role(session_user, 'bascule_watcher', 'member'))
    EXECUTE FUNCTION refuse_unasked_payout();

-- ───────────────────────── the books ─────────────────────────
ALTER TABLE ledger.tx DROP CONSTRAINT tx_kind_check,
    ADD CONSTRAINT tx_kind_check CHECK (kind IN ('opening', 'deposit', 'internal', 'hold', 'release', 'payout', 'gas', 'application',
        'outflow', 'loss', 'found', 'refund'));

-- What was paid too much becomes the merchant's, which pays it back. Null when nothing of the refund was.
CREATE FUNCTION ledger.post_refund(refund_id text) RETURNS bigint
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
    END IF;
    RETURN post('refund', r.id, 'refund', NULL, NULL, now(),
        ARRAY[account_for('suspense:' || r.account_id, r.token_id), account_for('available:' || r.account_id, r.token_id)],
        ARRAY[0, 0]::smallint[], ARRAY[r.excess, -r.excess]);
END $$;

-- To whom it is booked for, it is a part of the payment.
CREATE OR REPLACE FUNCTION ledger.category(kind text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE kind WHEN 'deposit' THEN 'payment' WHEN 'application' THEN 'payment' WHEN 'refund' THEN 'payment'
                 WHEN 'outflow' THEN 'withdrawal' ELSE kind END;

-- ───────────────────────── who may ─────────────────────────
REVOKE EXECUTE ON FUNCTION ledger.post_refund(text), admit_refund(), guard_refund(), refuse_unasked_payout() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.post_refund(text), ledger.post_hold(text) TO bascule_worker;
GRANT SELECT ON refunds TO bascule_api, bascule_submitter, bascule_worker;
GRANT INSERT (id, account_id, livemode, identity, payment_intent_id, token_id, amount, reason, client_reference_id, description,
              metadata, requested_by, created_at, claim_hash, claim_expires_at, payer, destination, pays_at, state)
    ON refunds TO bascule_api;
GRANT UPDATE (state, destination, claimed_at, pays_at, ended_at, version) ON refunds TO bascule_api;
GRANT UPDATE (state, payout_id, waits_for, look_at, failure_code, ended_at, version) ON refunds TO bascule_worker;
GRANT UPDATE (refunded) ON payment_intents TO bascule_worker;
GRANT INSERT (id, account_id, livemode, identity, token_id, chain_id, vault, destination, amount, state, approvals_required,
              approval_expires_at, roster_version, policy_decision, policy_id, client_reference_id, description, metadata,
              requested_by, maker, created_at, batch_id, batch_position, destination_id, mandate_id, network_decision, reissue_of)
    ON payouts TO bascule_worker;
GRANT UPDATE (state, holds, version) ON payouts TO bascule_worker;
GRANT SELECT ON operators_denied TO bascule_worker;
