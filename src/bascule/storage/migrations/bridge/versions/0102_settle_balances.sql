-- What an account says of an asset: when it is settled, what stays, and whereto.
CREATE TABLE balance_settings (
    account_id        text NOT NULL REFERENCES accounts,
    livemode          boolean NOT NULL,
    token_id          text NOT NULL REFERENCES tokens,
    schedule          text NOT NULL CHECK (schedule IN ('manual', 'daily', 'weekly', 'threshold')),
    weekday           text,
    hour              smallint NOT NULL DEFAULT 0 CHECK (hour BETWEEN 0 AND 23),       -- of the day, UTC
    threshold         base_units CHECK (threshold > 0),
    reserve           base_units NOT NULL DEFAULT 0,    -- is never settled
    minimum           base_units NOT NULL DEFAULT 0,    -- less than that is not settled
    destination       evm_address,
    destination_id    text REFERENCES destinations,     -- where the address is of the address book
    destination_from  timestamptz,                      -- end of its cool-off
    updated_by        text NOT NULL,                    -- key_…
    updated_at        timestamptz NOT NULL,
    version           integer NOT NULL DEFAULT 1,
    next_run_at       timestamptz CHECK (isfinite(next_run_at)),
    last_run_at       timestamptz,
    last_outcome      text CHECK (last_outcome IN ('scheduled', 'nothing_due', 'still_waiting')),
    PRIMARY KEY (account_id, livemode, token_id),
    CONSTRAINT weekly_has_weekday CHECK ((schedule = 'weekly') = (weekday IS NOT NULL)),
    CONSTRAINT threshold_has_amount CHECK ((schedule = 'threshold') = (threshold IS NOT NULL)),
    CONSTRAINT manual_is_never_due CHECK ((schedule = 'manual') = (next_run_at IS NULL)),
    CONSTRAINT destination_cools_off CHECK ((destination IS NULL) = (destination_from IS NULL))
);
CREATE INDEX balance_settings_due ON balance_settings (next_run_at) WHERE next_run_at IS NOT NULL;
CREATE TRIGGER never_deleted BEFORE DELETE ON balance_settings FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON balance_settings FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An account's money in one asset on its way to the account's own address. Periods are numbered, so that a database which was
-- restored gives its next settlement the number of one it lost, and the vault knows it.
CREATE TABLE settlements (
    id              text PRIMARY KEY,                   -- stl_…
    account_id      text NOT NULL,
    livemode        boolean NOT NULL,
    token_id        text NOT NULL,
    period          integer NOT NULL CHECK (period > 0),
    identity        text NOT NULL GENERATED ALWAYS AS ('settlement:' || token_id || ':' || period) STORED,
    due_at          timestamptz,                        -- none: somebody asked for it
    requested_by    text NOT NULL,                      -- key_… or process:worker
    created_at      timestamptz NOT NULL,
    amount          base_units NOT NULL CHECK (amount > 0),  -- known for good with the payout
    destination     evm_address,                        -- the same
    state           text NOT NULL DEFAULT 'scheduled' CHECK (state IN ('scheduled', 'completed', 'failed', 'canceled')),
    waits_for       text,                               -- why it has no payout yet
    look_at         timestamptz,                        -- not tried again before
    failure_code    text,
    payout_id       text UNIQUE REFERENCES payouts,
    ended_at        timestamptz,
    version         integer NOT NULL DEFAULT 1,
    FOREIGN KEY (account_id, livemode, token_id) REFERENCES balance_settings,
    CONSTRAINT one_settlement_per_period UNIQUE (account_id, livemode, token_id, period),
    CONSTRAINT payout_has_destination CHECK (payout_id IS NULL OR destination IS NOT NULL),
    CONSTRAINT failed_settlement_has_code CHECK ((state = 'failed') = (failure_code IS NOT NULL)),
    CONSTRAINT ended_settlement_has_time CHECK ((state = 'scheduled') = (ended_at IS NULL))
);
-- What waits takes all there is once it can: a second beside it would have nothing.
CREATE UNIQUE INDEX one_settlement_waits ON settlements (account_id, livemode, token_id) WHERE state = 'scheduled' AND payout_id IS NULL;
CREATE INDEX settlements_by_account ON settlements (account_id, livemode, created_at DESC, id DESC);
CREATE INDEX settlements_to_pay ON settlements (coalesce(look_at, created_at)) WHERE state = 'scheduled' AND payout_id IS NULL;
CREATE INDEX settlements_to_follow ON settlements (payout_id) WHERE state = 'scheduled' AND payout_id IS NOT NULL;

-- What ended stays ended, it is paid once and as it was said, to the address of the account's settings, and it ends as its payout did.
CREATE FUNCTION guard_settlement() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    outcome  text;
BEGIN
    SELECT p.state INTO outcome FROM payouts AS p WHERE p.id = new.payout_id;
    IF old.state <> 'scheduled' THEN
        RAISE EXCEPTION 'settlement % is %, for ever', old.id, old.state USING errcode = '42501';
    ELSIF old.payout_id IS NOT NULL AND (old.payout_id, old.amount, old.destination)
                                        IS DISTINCT FROM (new.payout_id, new.amount, new.destination) THEN
        RAISE EXCEPTION 'settlement % has its payout once', old.id USING errcode = '42501';
    ELSIF new.destination IS DISTINCT FROM old.destination AND NOT EXISTS (
            SELECT FROM balance_settings AS b WHERE b.destination = new.destination
               AND (b.account_id, b.livemode, b.token_id) = (new.account_id, new.livemode, new.token_id)) THEN
        RAISE EXCEPTION 'settlement % goes where the account says', old.id USING errcode = '42501';
    ELSIF new.state = 'completed' AND outcome IS DISTINCT FROM 'paid' THEN
        RAISE EXCEPTION 'settlement % is not paid', old.id USING errcode = '42501';
    ELSIF new.state IN ('failed', 'canceled') AND outcome NOT IN ('failed', 'canceled') THEN
        RAISE EXCEPTION 'settlement % may still be paid', old.id USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER ends_once BEFORE UPDATE ON settlements FOR EACH ROW EXECUTE FUNCTION guard_settlement();
CREATE TRIGGER never_deleted BEFORE DELETE ON settlements FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON settlements FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The worker asks for payouts that a refund or a settlement asks for, word for word, and for no others.
CREATE OR REPLACE FUNCTION refuse_unasked_payout() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM refunds AS r WHERE r.payout_identity = new.identity AND r.state = 'pending' AND r.payout_id IS NULL
                      AND (r.account_id, r.livemode, r.token_id, r.destination, r.amount::numeric)
                        = (new.account_id, new.livemode, new.token_id, new.destination, new.amount::numeric))
       AND NOT EXISTS (SELECT FROM settlements AS s WHERE s.identity = new.identity AND s.state = 'scheduled' AND s.payout_id IS NULL
                      AND (s.account_id, s.livemode, s.token_id, s.destination, s.amount::numeric)
                        = (new.account_id, new.livemode, new.token_id, new.destination, new.amount::numeric)) THEN
        RAISE EXCEPTION 'no refund or settlement asks for payout %', new.id USING errcode = '42501';
    ELSIF tg_op = 'UPDATE' AND (old.state, new.state) <> ('requires_action', 'pending')
       OR tg_op = 'UPDATE' AND new.mandate_id IS NULL THEN
        RAISE EXCEPTION 'payout % becomes % by its approvals', new.id, new.state USING errcode = '42501';
    END IF;
    RETURN new;
END $$;

-- ───────────────────────── who may ─────────────────────────
REVOKE EXECUTE ON FUNCTION guard_settlement() FROM PUBLIC;
GRANT SELECT ON balance_settings, settlements TO bascule_api, bascule_worker;
GRANT INSERT (account_id, livemode, token_id, schedule, weekday, hour, threshold, reserve, minimum, destination, destination_id,
              destination_from, updated_by, updated_at, next_run_at) ON balance_settings TO bascule_api;
GRANT UPDATE (schedule, weekday, hour, threshold, reserve, minimum, destination, destination_id, destination_from, updated_by,
              updated_at, version, next_run_at) ON balance_settings TO bascule_api;
GRANT UPDATE (next_run_at, last_run_at, last_outcome) ON balance_settings TO bascule_worker;
GRANT INSERT (id, account_id, livemode, token_id, period, due_at, requested_by, created_at, amount) ON settlements
    TO bascule_api, bascule_worker;
GRANT UPDATE (state, ended_at, version) ON settlements TO bascule_api;
GRANT UPDATE (amount, destination, state, waits_for, look_at, failure_code, payout_id, ended_at, version) ON settlements
    TO bascule_worker;
