-- What is owed for what. A draft is the merchant's to change; from its number on the document stands for ever and only what
-- became of it is written down. One of type platform_fees says what the platform has kept of a merchant's receipts in a month.
CREATE TABLE invoices (
    id                    text PRIMARY KEY,             -- in_…
    account_id            text NOT NULL REFERENCES accounts,
    livemode              boolean NOT NULL,
    type                  text NOT NULL CHECK (type IN ('customer', 'platform_fees')),
    state                 text NOT NULL CHECK (state IN ('draft', 'open', 'paid', 'void', 'uncollectible')),
    number                bigint CHECK (number >= 1),   -- 1, 2, 3 … of the account, mode and type; said by `guard_invoice`
    currency              text NOT NULL,
    lines                 jsonb NOT NULL CHECK (jsonb_typeof(lines) = 'array'), -- description, quantity, unit_amount, tax_bps
    subtotal              numeric(78, 0) NOT NULL CHECK (subtotal >= 0),        -- 10^-18 of the currency, as the next two
    tax                   numeric(78, 0) NOT NULL CHECK (tax >= 0),
    total                 numeric(78, 0) NOT NULL,
    tax_name              text NOT NULL,
    customer              jsonb NOT NULL,               -- name, email, address, tax_id
    seller                jsonb NOT NULL,               -- name, details
    due_at                timestamptz CHECK (isfinite(due_at)),
    month                 date CHECK (extract(day FROM month) = 1),
    client_reference_id   text,
    description           text,
    metadata              jsonb NOT NULL DEFAULT '{}',
    reminded              smallint NOT NULL DEFAULT 0 CHECK (reminded BETWEEN 0 AND 3), -- the latest reminder that was told
    created_at            timestamptz NOT NULL,
    finalized_at          timestamptz,
    paid_at               timestamptz,
    voided_at             timestamptz,
    uncollectible_at      timestamptz,
    version               integer NOT NULL DEFAULT 1,
    CONSTRAINT one_invoice_per_number UNIQUE (account_id, livemode, type, number),
    CONSTRAINT total_is_the_sum CHECK (total = subtotal + tax),
    CONSTRAINT final_has_a_number CHECK ((number IS NULL) = (finalized_at IS NULL) AND (number IS NOT NULL OR state IN ('draft', 'void'))
        AND (state <> 'draft' OR number IS NULL)),
    CONSTRAINT asked_for_has_a_time CHECK (number IS NULL OR type = 'platform_fees' OR due_at IS NOT NULL),
    CONSTRAINT fees_are_of_a_month CHECK ((type = 'platform_fees') = (month IS NOT NULL)),
    CONSTRAINT paid_has_time CHECK ((state = 'paid') = (paid_at IS NOT NULL)),
    CONSTRAINT void_has_time CHECK ((state = 'void') = (voided_at IS NOT NULL)),
    CONSTRAINT uncollectible_has_time CHECK (state <> 'uncollectible' OR uncollectible_at IS NOT NULL)
);
CREATE INDEX invoices_by_account ON invoices (account_id, livemode, created_at DESC, id DESC);
CREATE INDEX invoices_to_remind ON invoices (due_at) WHERE state = 'open' AND reminded < 3;
CREATE UNIQUE INDEX one_fee_invoice_a_month ON invoices (account_id, livemode, currency, month) WHERE type = 'platform_fees';

-- The newest number of each row of documents.
CREATE TABLE invoice_numbers (
    account_id  text NOT NULL REFERENCES accounts,
    livemode    boolean NOT NULL,
    type        text NOT NULL,
    newest      bigint NOT NULL,
    PRIMARY KEY (account_id, livemode, type)
);

-- Months whose fees stand in invoices, all of them.
CREATE TABLE invoiced_months (
    month    date PRIMARY KEY,
    made_at  timestamptz NOT NULL DEFAULT now()
);

-- An invoice is asked for by one payment intent.
ALTER TABLE payment_intents ADD COLUMN invoice_id text REFERENCES invoices;
CREATE UNIQUE INDEX one_intent_an_invoice ON payment_intents (invoice_id) WHERE invoice_id IS NOT NULL;

-- ───────────────────────── guards ─────────────────────────
-- The next number: it is taken back when the transaction is, and whoever wants one meanwhile waits, so none is left out.
CREATE FUNCTION next_invoice_number(wanted_account text, wanted_mode boolean, wanted_type text) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    INSERT INTO invoice_numbers AS n (account_id, livemode, type, newest) VALUES (wanted_account, wanted_mode, wanted_type, 1)
    ON CONFLICT (account_id, livemode, type) DO UPDATE SET newest = n.newest + 1 RETURNING n.newest;
$$;

-- What lines come to: their sum, and the tax of each rate, half a cent and more rounded up.
CREATE FUNCTION invoice_sums(lines jsonb, OUT subtotal numeric, OUT tax numeric) LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(sum(r.amount), 0),
           coalesce(sum(div(2 * r.amount * r.tax_bps + 100000000000000000000, 200000000000000000000) * 10000000000000000), 0)
      FROM (SELECT x.tax_bps, sum(x.quantity * x.unit_amount) AS amount
              FROM jsonb_to_recordset(lines) AS x (quantity numeric, unit_amount numeric, tax_bps numeric) GROUP BY x.tax_bps) AS r;
$$;

CREATE FUNCTION guard_invoice() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    became   text[] := '{state,reminded,paid_at,voided_at,uncollectible_at,version}';
    sums     record;
    payment  text;
BEGIN
    SELECT * INTO sums FROM invoice_sums(new.lines);
    IF (new.subtotal, new.tax) IS DISTINCT FROM (sums.subtotal, sums.tax) THEN
        RAISE EXCEPTION 'the lines of invoice % come to % and % tax', new.id, sums.subtotal, sums.tax
            USING errcode = '23514', constraint = 'sums_of_the_lines';
    END IF;
    IF tg_op = 'INSERT' THEN
        IF new.type = 'customer' AND new.state <> 'draft' THEN
            RAISE EXCEPTION 'invoice % is born as a draft', new.id USING errcode = '42501';
        ELSIF new.type = 'platform_fees' THEN
            IF new.state <> 'paid' OR NOT EXISTS (SELECT FROM ledger.period AS p
                WHERE p.until >= (new.month + interval '1 month') AT TIME ZONE 'UTC') THEN
                RAISE EXCEPTION 'fees are invoiced once the books of their month are closed' USING errcode = '42501';
            END IF;
            new.number := next_invoice_number(new.account_id, new.livemode, new.type);
        END IF;
        RETURN new;
    END IF;
    IF old.state IN ('paid', 'void') THEN
        RAISE EXCEPTION 'invoice % is %, for ever', old.id, old.state USING errcode = '42501';
    ELSIF old.state <> 'draft' AND to_jsonb(old) - became IS DISTINCT FROM to_jsonb(new) - became THEN
        RAISE EXCEPTION 'invoice % is final', old.id USING errcode = '42501';
    ELSIF (old.state, new.state) NOT IN (('draft', 'draft'), ('draft', 'open'), ('draft', 'void'), ('open', 'open'), ('open', 'paid'),
        ('open', 'void'), ('open', 'uncollectible'), ('uncollectible', 'uncollectible'), ('uncollectible', 'paid'), ('uncollectible', 'void')) THEN
        RAISE EXCEPTION 'invoice % does not go from % to %', old.id, old.state, new.state USING errcode = '42501';
    END IF;
    IF old.state = 'draft' THEN
        new.number := CASE new.state WHEN 'open' THEN next_invoice_number(new.account_id, new.livemode, new.type) END;
    ELSIF new.state IN ('paid', 'void') THEN
        SELECT i.state INTO payment FROM payment_intents AS i WHERE i.invoice_id = new.id;
        IF payment IS DISTINCT FROM (CASE new.state WHEN 'paid' THEN 'succeeded' ELSE 'canceled' END) THEN
            RAISE EXCEPTION 'invoice % is not %: its payment intent is %', old.id, new.state, payment USING errcode = '42501';
        END IF;
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER stands_once_final BEFORE INSERT OR UPDATE ON invoices FOR EACH ROW EXECUTE FUNCTION guard_invoice();
CREATE TRIGGER never_deleted BEFORE DELETE ON invoices FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON invoices FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE ON invoice_numbers FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON invoice_numbers FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON invoiced_months FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON invoiced_months FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- An invoice's intent asks for exactly its total, and is its for ever.
CREATE FUNCTION refuse_other_invoice() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM public.invoices AS v
                    WHERE v.id = new.invoice_id AND v.state = 'open' AND (v.account_id, v.livemode, v.currency, v.total)
                        = (new.account_id, new.livemode, new.currency, new.due::numeric)) THEN
        RAISE EXCEPTION 'payment intent % is not what invoice % asks for', new.id, new.invoice_id
            USING errcode = '23514', constraint = 'as_invoiced';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER as_invoiced BEFORE INSERT OR UPDATE OF invoice_id, due, currency ON payment_intents FOR EACH ROW
    WHEN (new.invoice_id IS NOT NULL) EXECUTE FUNCTION refuse_other_invoice();

-- ───────────────────────── who may ─────────────────────────
REVOKE EXECUTE ON FUNCTION next_invoice_number(text, boolean, text), invoice_sums(jsonb), guard_invoice(), refuse_other_invoice() FROM PUBLIC;
GRANT SELECT ON invoices TO bascule_api, bascule_watcher, bascule_worker;
GRANT INSERT (id, account_id, livemode, type, state, currency, lines, subtotal, tax, total, tax_name, customer, seller, due_at,
              client_reference_id, description, metadata, created_at)
    ON invoices TO bascule_api;
GRANT UPDATE (state, lines, subtotal, tax, total, tax_name, customer, seller, due_at, client_reference_id, description, metadata,
              reminded, finalized_at, paid_at, voided_at, uncollectible_at, version)
    ON invoices TO bascule_api;
GRANT INSERT (invoice_id) ON payment_intents TO bascule_api;
GRANT UPDATE (state, paid_at, version) ON invoices TO bascule_watcher;
GRANT INSERT (id, account_id, livemode, type, state, currency, lines, subtotal, tax, total, tax_name, customer, seller, month,
              created_at, finalized_at, paid_at)
    ON invoices TO bascule_worker;
GRANT UPDATE (reminded, version) ON invoices TO bascule_worker;
GRANT SELECT, INSERT (month) ON invoiced_months TO bascule_worker;
