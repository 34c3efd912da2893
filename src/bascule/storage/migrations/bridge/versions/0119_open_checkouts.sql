-- A hosted page for one payment intent. It has no state of its own: the intent's is its.
CREATE TABLE checkout_sessions (
    id                 text PRIMARY KEY,                -- cs_…
    account_id         text NOT NULL REFERENCES accounts,
    livemode           boolean NOT NULL,
    payment_intent_id  text NOT NULL UNIQUE REFERENCES payment_intents,
    success_url        text CHECK (length(success_url) <= 2000),
    cancel_url         text CHECK (length(cancel_url) <= 2000),
    created_at         timestamptz NOT NULL
);
CREATE INDEX checkout_sessions_by_account ON checkout_sessions (account_id, livemode, created_at DESC, id DESC);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON checkout_sessions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON checkout_sessions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A session's intent is its own account's, in its own mode.
CREATE FUNCTION refuse_others_intent() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.payment_intents AS i
                    WHERE i.id = new.payment_intent_id AND (i.account_id, i.livemode) = (new.account_id, new.livemode)) THEN
        RAISE EXCEPTION 'payment intent % is not of checkout session %''s account and mode', new.payment_intent_id, new.id
            USING errcode = '23514', constraint = 'own_intent';
    END IF;
    RETURN new;
END $$;
REVOKE EXECUTE ON FUNCTION refuse_others_intent() FROM PUBLIC;
CREATE TRIGGER own_intent BEFORE INSERT ON checkout_sessions FOR EACH ROW EXECUTE FUNCTION refuse_others_intent();

GRANT SELECT ON checkout_sessions TO bascule_api, bascule_watcher, bascule_worker, bascule_auditor;
GRANT INSERT ON checkout_sessions TO bascule_api;
