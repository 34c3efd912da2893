-- What the platform keeps of a merchant's receipts in a currency. In force is the version with the newest effective_from;
-- where there is none, nothing is kept.
CREATE TABLE fee_versions (
    account_id      text NOT NULL REFERENCES accounts,
    currency        text NOT NULL,
    version         integer NOT NULL CHECK (version >= 1),
    bps             integer NOT NULL CHECK (bps BETWEEN 0 AND 10000),
    fixed           numeric(78, 0) NOT NULL CHECK (fixed >= 0),           -- 10^-18 of the currency, once for each intent
    effective_from  timestamptz NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, currency, version)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON fee_versions FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON fee_versions FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT ON fee_versions TO bascule_api, bascule_worker;

-- A version never holds for what is booked before it: who books ends first, and who books later sees it.
CREATE FUNCTION begin_fee_version() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('fee versions', 0));
    IF new.effective_from IS NULL THEN
        new.effective_from := clock_timestamp();
    ELSIF new.effective_from < clock_timestamp() THEN
        RAISE EXCEPTION 'a fee cannot hold from % on, which is over', new.effective_from
            USING errcode = '23514', constraint = 'fees_are_known_before';
    END IF;
    RETURN new;
END $$;
REVOKE EXECUTE ON FUNCTION begin_fee_version() FROM PUBLIC;
CREATE TRIGGER holds_from_now_on BEFORE INSERT ON fee_versions FOR EACH ROW EXECUTE FUNCTION begin_fee_version();

-- A fee as it was charged: base units of the deposit's token.
CREATE TABLE fees (
    deposit_id  text PRIMARY KEY REFERENCES deposits,
    account_id  text NOT NULL,
    currency    text NOT NULL,
    version     integer NOT NULL,
    intent_id   text,                                     -- null: the deposit was accepted without one
    gross       numeric(78, 0) NOT NULL CHECK (gross > 0),
    share       numeric(78, 0) NOT NULL CHECK (share >= 0),
    fixed       numeric(78, 0) NOT NULL CHECK (fixed >= 0),
    first       boolean NOT NULL,                         -- the one of its intent that bears the fixed part
    tx_id       bigint REFERENCES ledger.tx,              -- null: it came to nothing
    FOREIGN KEY (account_id, currency, version) REFERENCES fee_versions,
    CONSTRAINT never_more_than_came CHECK (share + fixed <= gross),
    CONSTRAINT fixed_once CHECK (first OR fixed = 0),
    CONSTRAINT booked_if_any CHECK ((tx_id IS NULL) = (share + fixed = 0))
);
CREATE UNIQUE INDEX fees_fixed_once ON fees (intent_id) WHERE first;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON fees FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON fees FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT ON fees TO bascule_api, bascule_worker;

ALTER TABLE ledger.account DROP CONSTRAINT account_code_check,
    ADD CONSTRAINT account_code_check CHECK (code ~ '^((available|suspense):.+|custody:(forwarders|collector|vault|wallets)|expense:(gas|outflow)|income:(native|fees))$');
ALTER TABLE ledger.tx DROP CONSTRAINT tx_kind_check,
    ADD CONSTRAINT tx_kind_check CHECK (kind IN ('opening', 'deposit', 'internal', 'hold', 'release', 'payout', 'gas', 'application', 'outflow', 'loss', 'found',
        'refund', 'fee'));

-- Of these deposits those whose merchant has terms and was not charged yet: what was credited, and what of it is kept, by the
-- version in force when it was booked. Planned for each call: a plan made while there were no fees yet reads
-- all of them for each deposit.
CREATE TYPE ledger.chargeable AS (
    deposit_id text, account_id text, token_id text, currency text, version integer, intent_id text, available bigint, gross numeric,
    share numeric, fixed numeric, first boolean, chain_id bigint, block_number bigint, effective_at timestamptz
);
CREATE FUNCTION ledger.deposits_to_charge(deposit_ids text[]) RETURNS SETOF ledger.chargeable
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan AS $$
      WITH asked AS MATERIALIZED (
        SELECT d.id, d.account_id, d.token_id, k.currency, k.decimals
          FROM public.deposits AS d JOIN public.tokens AS k ON k.id = d.token_id
         WHERE d.id = ANY (deposit_ids) AND d.kind = 'payment'
           AND EXISTS (SELECT FROM public.fee_versions AS w WHERE w.account_id = d.account_id AND w.currency = k.currency)
           AND NOT EXISTS (SELECT FROM public.fees AS f WHERE f.deposit_id = d.id)
    ), credited AS MATERIALIZED (
        SELECT d.*, x.chain_id, x.block_number, x.effective_at, x.available, x.gross, v.version, v.bps, v.fixed, p.intent_id,
               div(x.gross * v.bps, 10000) AS share, row_number() OVER (PARTITION BY coalesce(p.intent_id, d.id) ORDER BY x.id) AS place
          FROM asked AS d
         CROSS JOIN LATERAL (SELECT y.id, y.chain_id, y.block_number, y.effective_at, y.recorded_at, a.id AS available, -e.amount AS gross
                               FROM ledger.tx AS y
                               JOIN ledger.entry AS e ON e.tx_id = y.id AND e.amount < 0
                               JOIN ledger.account AS a ON a.id = e.account_id AND a.code = 'available:' || d.account_id
                              WHERE y.source IN ('deposit', 'application') AND y.source_id = d.id LIMIT 1) AS x
         CROSS JOIN LATERAL (SELECT CASE WHEN q.state <> 'accepted' THEN q.intent_id END AS intent_id
                               FROM public.applications AS q WHERE q.deposit_id = d.id LIMIT 1) AS p
         CROSS JOIN LATERAL (SELECT w.version, w.bps, w.fixed FROM public.fee_versions AS w
                              WHERE w.account_id = d.account_id AND w.currency = d.currency AND w.effective_from <= x.recorded_at
                              ORDER BY w.effective_from DESC, w.version DESC LIMIT 1) AS v
    )
    SELECT c.id, c.account_id, c.token_id, c.currency, c.version, c.intent_id, c.available, c.gross, c.share,
           CASE WHEN f.first THEN least(div(c.fixed, 10::numeric ^ (18 - c.decimals)), c.gross - c.share) ELSE 0 END, f.first,
           c.chain_id, c.block_number, c.effective_at
      FROM credited AS c
     CROSS JOIN LATERAL (SELECT c.place = 1 AND NOT EXISTS (SELECT FROM public.fees AS g WHERE g.intent_id = c.intent_id AND g.first)
                                AS first) AS f
$$;
REVOKE EXECUTE ON FUNCTION ledger.deposits_to_charge(text[]) FROM PUBLIC;

-- Writes these fees down and books them. Planned for as many as they are: a plan made for none takes seconds for a thousand.
CREATE FUNCTION ledger.write_fees(work ledger.chargeable[]) RETURNS void
LANGUAGE plpgsql SET search_path = public, ledger, pg_temp SET plan_cache_mode = force_custom_plan AS $$
BEGIN
    PERFORM account_for('income:fees', k.token_id)
       FROM (SELECT DISTINCT w.token_id FROM unnest(work) AS w WHERE w.share + w.fixed > 0 ORDER BY w.token_id) AS k;
    WITH line AS MATERIALIZED (
        SELECT w.*, w.share + w.fixed AS amount, i.id AS income
          FROM unnest(work) AS w LEFT JOIN account AS i ON i.code = 'income:fees' AND i.token_id = w.token_id
    ), booking AS (
        INSERT INTO tx (source, source_id, digest, kind, chain_id, block_number, effective_at)
        SELECT 'fee', l.deposit_id, sha256(convert_to(jsonb_build_array('fee', l.deposit_id, 'fee', l.chain_id, l.block_number,  -- as in post
                   jsonb_build_array(l.available, l.income), '[0, 0]'::jsonb, jsonb_build_array(l.amount, -l.amount), NULL)::text, 'UTF8')),
               'fee', l.chain_id, l.block_number, l.effective_at
          FROM line AS l WHERE l.amount > 0 ORDER BY l.deposit_id
        RETURNING id, source_id
    ), entries AS (
        INSERT INTO entry (tx_id, seq, account_id, token_id, layer, amount)
        SELECT b.id, e.seq, e.account_id, l.token_id, 0, e.amount
          FROM booking AS b JOIN line AS l ON l.deposit_id = b.source_id
         CROSS JOIN LATERAL (VALUES (1, l.available, l.amount), (2, l.income, -l.amount)) AS e (seq, account_id, amount)
    )
    INSERT INTO fees (deposit_id, account_id, currency, version, intent_id, gross, share, fixed, first, tx_id)
    SELECT l.deposit_id, l.account_id, l.currency, l.version, l.intent_id, l.gross, l.share, l.fixed, l.first, b.id
      FROM line AS l LEFT JOIN booking AS b ON b.source_id = l.deposit_id;
END $$;
REVOKE EXECUTE ON FUNCTION ledger.write_fees(ledger.chargeable[]) FROM PUBLIC;

-- Charges what these deposits' bookings credited to their merchants, each once; how many. posted: what the posting before it
-- answered, so that one statement does both in this order.
CREATE FUNCTION ledger.post_fees(deposit_ids text[], posted bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    work  chargeable[];
BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('fee versions', 0));
    IF NOT EXISTS (SELECT FROM fee_versions) THEN
        RETURN 0;
    ELSIF NOT EXISTS (SELECT FROM deposits AS d JOIN fee_versions AS v ON v.account_id = d.account_id WHERE d.id = ANY (deposit_ids)) THEN
        RETURN 0;
    END IF;
    work := ARRAY(SELECT w FROM deposits_to_charge(deposit_ids) AS w);
    IF work <> '{}' THEN
        PERFORM write_fees(work);
    END IF;
    RETURN cardinality(work);
END $$;
REVOKE EXECUTE ON FUNCTION ledger.post_fees(text[], bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.post_fees(text[], bigint) TO bascule_api, bascule_watcher;
