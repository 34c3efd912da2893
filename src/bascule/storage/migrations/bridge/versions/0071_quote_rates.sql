-- What a source said when it was asked, as it said it; a price where that could be one, else why not.
CREATE TABLE rate_readings (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source    text NOT NULL CHECK (source <> ''),
    currency  text NOT NULL,
    fiat      text NOT NULL,
    asked_at  timestamptz NOT NULL,
    as_of     timestamptz NOT NULL,                       -- when it was true, as the source says; else when it was asked
    raw       text NOT NULL CHECK (length(raw) <= 1000),
    price     numeric(78, 0) CHECK (price > 0),           -- 10^-18 of fiat for one token
    refusal   text,
    CONSTRAINT a_price_or_why_not CHECK ((price IS NULL) <> (refusal IS NULL))
);
CREATE INDEX rate_readings_newest ON rate_readings (currency, fiat, source, id DESC) WHERE price IS NOT NULL;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON rate_readings FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON rate_readings FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON rate_readings TO bascule_worker;
GRANT SELECT ON rate_readings TO bascule_api;

-- How much of a token a fiat price is, at a rate that stands until lock_expires_at.
CREATE TABLE quotes (
    id               text PRIMARY KEY,
    account_id       text NOT NULL REFERENCES accounts,
    livemode         boolean NOT NULL,
    fiat             text NOT NULL,
    amount           numeric(78, 0) NOT NULL CHECK (amount > 0),  -- 10^-18 of fiat
    currency         text NOT NULL,
    due              numeric(78, 0) NOT NULL CHECK (due > 0),     -- 10^-18 of currency
    price            numeric(78, 0) NOT NULL CHECK (price > 0),   -- 10^-18 of fiat for one token
    peg_fiat         text,
    peg_price        numeric(78, 0),
    lock_expires_at  timestamptz NOT NULL,
    created_at       timestamptz NOT NULL,
    CONSTRAINT rounded_for_the_merchant CHECK (due * price >= amount * 1000000000000000000::numeric),
    CONSTRAINT a_peg_has_its_price CHECK ((peg_fiat IS NULL) = (peg_price IS NULL)),
    CONSTRAINT locked_for_a_while CHECK (lock_expires_at > created_at)
);
CREATE INDEX quotes_listed ON quotes (account_id, livemode, created_at DESC, id DESC);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON quotes FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON quotes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON quotes TO bascule_api;

-- The prices a quote was made of, and what became of each.
CREATE TABLE quote_readings (
    quote_id    text NOT NULL REFERENCES quotes,
    reading_id  bigint NOT NULL REFERENCES rate_readings,
    verdict     text NOT NULL CHECK (verdict IN ('agreed', 'outlier', 'stale')),
    PRIMARY KEY (quote_id, reading_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON quote_readings FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON quote_readings FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT, INSERT ON quote_readings TO bascule_api;

-- An intent may have its amount from a quote: from its account's own, once, while it is locked, to the last digit.
ALTER TABLE payment_intents ADD COLUMN quote_id text REFERENCES quotes, ADD CONSTRAINT one_intent_a_quote UNIQUE (quote_id);
GRANT INSERT (quote_id) ON payment_intents TO bascule_api;
CREATE FUNCTION refuse_other_amount() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.quotes AS q
                    WHERE q.id = new.quote_id AND (q.account_id, q.livemode, q.currency, q.due)
                        = (new.account_id, new.livemode, new.currency, new.due::numeric) AND new.created_at < q.lock_expires_at) THEN
        RAISE EXCEPTION 'payment intent % is not what quote % says', new.id, new.quote_id
            USING errcode = '23514', constraint = 'as_quoted';
    END IF;
    RETURN new;
END $$;
REVOKE EXECUTE ON FUNCTION refuse_other_amount() FROM PUBLIC;
CREATE TRIGGER as_quoted BEFORE INSERT OR UPDATE OF quote_id, due, currency ON payment_intents FOR EACH ROW
    WHEN (new.quote_id IS NOT NULL) EXECUTE FUNCTION refuse_other_amount();
