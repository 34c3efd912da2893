-- The books. Debit is positive, credit negative. Layer 0 is posted, 1 held debit, 2 held credit; never netted.
-- Entries are for ever, each transaction balances per token, and balances follow entries by trigger alone:
-- whoever writes here, owner included, keeps these rules. Processes only call the typed functions at the end.

CREATE SCHEMA ledger;

-- ───────────────────────── accounts and balances ─────────────────────────
CREATE TABLE ledger.account (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code           text NOT NULL CHECK (code ~ '^((available|suspense):.+|custody:(forwarders|collector|vault|wallets)|expense:gas|income:native)$'),
    token_id       text NOT NULL REFERENCES public.tokens,
    kind           text NOT NULL CHECK (kind IN ('asset', 'liability', 'equity', 'income', 'expense')),
    owner_account  text REFERENCES public.accounts,     -- whose money a liability is
    no_overdraft   boolean NOT NULL,
    UNIQUE (code, token_id),
    UNIQUE (id, token_id),
    CONSTRAINT liabilities_are_owed_to_someone CHECK ((kind = 'liability') = (owner_account IS NOT NULL))
);
CREATE INDEX ledger_accounts_by_owner ON ledger.account (owner_account);

CREATE TABLE ledger.balance (
    account_id    bigint PRIMARY KEY REFERENCES ledger.account,
    kind          text NOT NULL,                        -- as account.kind, for the rule below
    no_overdraft  boolean NOT NULL,                     -- as account.no_overdraft
    posted        numeric(78, 0) NOT NULL DEFAULT 0,
    held_debit    numeric(78, 0) NOT NULL DEFAULT 0 CONSTRAINT released_at_most_what_was_held CHECK (held_debit >= 0),
    held_credit   numeric(78, 0) NOT NULL DEFAULT 0 CONSTRAINT freed_at_most_what_was_held CHECK (held_credit <= 0),
    CONSTRAINT no_overdraft CHECK (NOT no_overdraft OR CASE kind
        WHEN 'liability' THEN posted + held_debit <= 0
        WHEN 'asset' THEN posted >= 0                   -- what left on chain has left, also from under a hold
        ELSE true END)
) WITH (fillfactor = 70);

-- ───────────────────────── transactions and entries ─────────────────────────
CREATE TABLE ledger.tx (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source        text NOT NULL,
    source_id     text NOT NULL,
    digest        public.hash32 NOT NULL,               -- of everything but the time: the same source may only repeat itself
    kind          text NOT NULL CHECK (kind IN ('opening', 'deposit', 'internal', 'hold', 'release', 'payout', 'gas')),
    chain_id      bigint,
    block_number  bigint,
    effective_at  timestamptz NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT now(),
    xid           xid8 NOT NULL DEFAULT pg_current_xact_id(),   -- entries join in this database transaction or never
    reverses      bigint REFERENCES ledger.tx,          -- the hold that this ends
    CONSTRAINT one_booking_per_source UNIQUE (source, source_id),
    CONSTRAINT one_end_per_hold UNIQUE (reverses),
    CONSTRAINT chain_facts_have_a_block CHECK ((chain_id IS NULL) = (block_number IS NULL))
);
CREATE INDEX ledger_tx_by_block ON ledger.tx (chain_id, block_number);

CREATE TABLE ledger.entry (
    tx_id       bigint NOT NULL REFERENCES ledger.tx,
    seq         smallint NOT NULL CHECK (seq >= 1),
    account_id  bigint NOT NULL,
    token_id    text NOT NULL,
    layer       smallint NOT NULL CHECK (layer IN (0, 1, 2)),
    amount      numeric(78, 0) NOT NULL CHECK (amount <> 0),
    PRIMARY KEY (tx_id, seq),
    FOREIGN KEY (account_id, token_id) REFERENCES ledger.account (id, token_id)
) PARTITION BY RANGE (tx_id);
CREATE INDEX ledger_entries_by_account ON ledger.entry (account_id, tx_id);

-- Each transfer on chain is booked at most once; tx_id is null where both ends are in the same class of custody.
CREATE TABLE ledger.booked (
    chain_id    bigint NOT NULL,
    block_hash  public.hash32 NOT NULL,
    log_index   integer NOT NULL,
    tx_id       bigint REFERENCES ledger.tx,
    PRIMARY KEY (chain_id, block_hash, log_index),
    FOREIGN KEY (chain_id, block_hash, log_index) REFERENCES public.transfers (chain_id, block_hash, log_index)
);
CREATE INDEX ledger_booked_by_tx ON ledger.booked (tx_id);

-- ───────────────────────── guards ─────────────────────────
CREATE FUNCTION ledger.open_balance() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    INSERT INTO ledger.balance (account_id, kind, no_overdraft) VALUES (new.id, new.kind, new.no_overdraft);
    RETURN NULL;
END $$;

CREATE FUNCTION ledger.refuse_balance_by_hand() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF tg_op IN ('DELETE', 'TRUNCATE') OR pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION '% on ledger.balance is not allowed: balances follow entries', tg_op USING errcode = '42501';
    END IF;
    RETURN CASE WHEN tg_level = 'ROW' THEN new END;
END $$;

-- After each INSERT of entries: the transaction is of this moment, it balances, and the balances follow.
CREATE FUNCTION ledger.accept_entries() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bad     record;
BEGIN
    SELECT t.id INTO bad FROM ledger.tx AS t
     WHERE t.id IN (SELECT f.tx_id FROM fresh AS f) AND t.xid <> pg_current_xact_id() LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % is sealed: no entry joins it after its commit', bad.id USING errcode = '42501';
    END IF;

    SELECT f.tx_id, f.token_id INTO bad FROM fresh AS f GROUP BY f.tx_id, f.token_id
    HAVING sum(f.amount) FILTER (WHERE f.layer = 0) <> 0 OR sum(f.amount) FILTER (WHERE f.layer <> 0) <> 0 LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % does not balance in %', bad.tx_id, bad.token_id
            USING errcode = '23514', constraint = 'entries_balance';
    END IF;

    -- one order for everybody, so that two postings never wait for each other
    PERFORM 1 FROM ledger.balance AS b WHERE b.account_id IN (SELECT f.account_id FROM fresh AS f)
      ORDER BY b.account_id FOR NO KEY UPDATE;

    SELECT a.code, a.token_id INTO bad
      FROM ledger.balance AS b
      JOIN ledger.account AS a ON a.id = b.account_id
      JOIN (SELECT f.account_id,
                   coalesce(sum(f.amount) FILTER (WHERE f.layer = 0), 0) AS posted,
                   coalesce(sum(f.amount) FILTER (WHERE f.layer = 1), 0) AS held_debit,
                   coalesce(sum(f.amount) FILTER (WHERE f.layer = 2), 0) AS held_credit
              FROM fresh AS f GROUP BY f.account_id) AS d ON d.account_id = b.account_id
     WHERE b.no_overdraft
       AND CASE b.kind WHEN 'liability' THEN b.posted + d.posted + b.held_debit + d.held_debit > 0
                       WHEN 'asset' THEN b.posted + d.posted < 0 OR d.held_credit < 0 AND b.posted + d.posted + b.held_credit + d.held_credit < 0
                       ELSE false END
     ORDER BY a.kind = 'asset', b.account_id LIMIT 1;    -- whose money is short matters more than where it is
    IF FOUND THEN
        RAISE EXCEPTION '% has not enough %', bad.code, bad.token_id
            USING errcode = '23514', schema = 'ledger', table = 'balance', constraint = 'no_overdraft', detail = bad.code;
    END IF;

    UPDATE ledger.balance AS b
       SET posted = b.posted + d.posted, held_debit = b.held_debit + d.held_debit, held_credit = b.held_credit + d.held_credit
      FROM (SELECT f.account_id,
                   coalesce(sum(f.amount) FILTER (WHERE f.layer = 0), 0) AS posted,
                   coalesce(sum(f.amount) FILTER (WHERE f.layer = 1), 0) AS held_debit,
                   coalesce(sum(f.amount) FILTER (WHERE f.layer = 2), 0) AS held_credit
              FROM fresh AS f GROUP BY f.account_id) AS d
     WHERE b.account_id = d.account_id;
    RETURN NULL;
END $$;

CREATE FUNCTION ledger.refuse_empty_tx() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM ledger.entry AS e WHERE e.tx_id = new.id) THEN
        RAISE EXCEPTION 'ledger transaction % has no entries', new.id USING errcode = '23514', constraint = 'tx_has_entries';
    END IF;
    RETURN NULL;
END $$;

-- A partition can be written by its own name, past the triggers of its parent: each gets the guards itself.
CREATE FUNCTION ledger.guard_entries(relation regclass) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER entries_balance AFTER INSERT ON %s REFERENCING NEW TABLE AS fresh'
                   ' FOR EACH STATEMENT EXECUTE FUNCTION ledger.accept_entries()', relation);
    EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON %s'
                   ' FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()', relation);
    EXECUTE format('CREATE TRIGGER never_emptied BEFORE TRUNCATE ON %s'
                   ' FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()', relation);
END $$;

CREATE TABLE ledger.entry_0 PARTITION OF ledger.entry FOR VALUES FROM (0) TO (100000000);
SELECT ledger.guard_entries('ledger.entry');
SELECT ledger.guard_entries('ledger.entry_0');

CREATE TRIGGER balance_follows AFTER INSERT ON ledger.account FOR EACH ROW EXECUTE FUNCTION ledger.open_balance();
CREATE TRIGGER never_by_hand BEFORE INSERT OR UPDATE OR DELETE ON ledger.balance
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_balance_by_hand();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON ledger.balance
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_balance_by_hand();
CREATE CONSTRAINT TRIGGER tx_has_entries AFTER INSERT ON ledger.tx DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_empty_tx();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.tx FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON ledger.tx FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.account FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON ledger.account FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.booked FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON ledger.booked FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

-- ───────────────────────── the posting core: for the functions below, not for processes ─────────────────────────
-- The account of this code and token; opened at its first use.
CREATE FUNCTION ledger.account_for(wanted_code text, wanted_token text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    found_id  bigint;
    class     text := split_part(wanted_code, ':', 1);
    native    boolean;
BEGIN
    SELECT a.id INTO found_id FROM ledger.account AS a WHERE a.code = wanted_code AND a.token_id = wanted_token;
    IF FOUND THEN
        RETURN found_id;
    END IF;
    -- The native coin arrives without a log, so its books may fall behind until reconciliation books the surplus.
    SELECT t.contract = decode(repeat('00', 20), 'hex') INTO STRICT native FROM public.tokens AS t WHERE t.id = wanted_token;
    INSERT INTO ledger.account (code, token_id, kind, owner_account, no_overdraft)
    VALUES (wanted_code, wanted_token,
            CASE class WHEN 'available' THEN 'liability' WHEN 'suspense' THEN 'liability' WHEN 'custody' THEN 'asset' ELSE class END,
            CASE WHEN class IN ('available', 'suspense') THEN split_part(wanted_code, ':', 2) END,
            class IN ('available', 'suspense') OR (class = 'custody' AND NOT native))
    ON CONFLICT (code, token_id) DO NOTHING;
    SELECT a.id INTO STRICT found_id FROM ledger.account AS a WHERE a.code = wanted_code AND a.token_id = wanted_token;
    RETURN found_id;
END $$;

-- Books one transaction, once per source: repeated it answers the same id, with other content it fails.
CREATE FUNCTION ledger.post(
    its_source text, its_source_id text, its_kind text, its_chain_id bigint, its_block_number bigint,
    its_effective_at timestamptz, accounts bigint[], layers smallint[], amounts numeric[], its_reverses bigint DEFAULT NULL
) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    new_id      bigint;
    old         record;
    content     bytea := sha256(convert_to(jsonb_build_array(
                    its_source, its_source_id, its_kind, its_chain_id, its_block_number,
                    to_jsonb(accounts), to_jsonb(layers), to_jsonb(amounts), its_reverses)::text, 'UTF8'));
BEGIN
    INSERT INTO ledger.tx (source, source_id, digest, kind, chain_id, block_number, effective_at, reverses)
    VALUES (its_source, its_source_id, content, its_kind, its_chain_id, its_block_number, its_effective_at, its_reverses)
    ON CONFLICT (source, source_id) DO NOTHING
    RETURNING id INTO new_id;
    IF new_id IS NULL THEN
        SELECT t.id, t.digest INTO STRICT old FROM ledger.tx AS t WHERE t.source = its_source AND t.source_id = its_source_id;
        IF old.digest <> content THEN
            RAISE EXCEPTION '% % is already booked with other content', its_source, its_source_id
                USING errcode = '23505', schema = 'ledger', table = 'tx', constraint = 'one_booking_per_source';
        END IF;
        RETURN old.id;
    END IF;
    INSERT INTO ledger.entry (tx_id, seq, account_id, token_id, layer, amount)
    SELECT new_id, u.seq, u.account_id, a.token_id, u.layer, u.amount
      FROM unnest(accounts, layers, amounts) WITH ORDINALITY AS u (account_id, layer, amount, seq)
      JOIN ledger.account AS a ON a.id = u.account_id
     ORDER BY u.seq;
    RETURN new_id;
END $$;

CREATE FUNCTION ledger.operator_account() RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    operator_id  text;
BEGIN
    SELECT a.id INTO operator_id FROM public.accounts AS a WHERE a.kind = 'operator';
    IF operator_id IS NULL THEN
        RAISE EXCEPTION 'this installation has no operator account';
    END IF;
    RETURN operator_id;
END $$;

-- Which custody account an address of ours belongs to; null when it is not ours.
CREATE FUNCTION ledger.custody_of(of_chain bigint, of_address bytea) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT CASE o.kind WHEN 'wallet' THEN 'custody:wallets' ELSE 'custody:' || o.kind END
      FROM public.own_addresses AS o WHERE o.chain_id = of_chain AND o.address = of_address
     UNION ALL
    SELECT 'custody:forwarders'
      FROM public.deposit_addresses AS d WHERE d.chain_id = of_chain AND d.address = of_address
     LIMIT 1
$$;

-- Refuses (55000: later perhaps) unless this height is final on a chain that is not halted.
CREATE FUNCTION ledger.require_final(of_chain bigint, height bigint) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    c  record;
BEGIN
    SELECT k.finalized_number, k.halted_reason INTO c FROM public.cursors AS k WHERE k.chain_id = of_chain;
    IF NOT FOUND OR c.finalized_number < height THEN
        RAISE EXCEPTION 'block % of chain % is not final yet', height, of_chain USING errcode = '55000';
    ELSIF c.halted_reason IS NOT NULL THEN
        RAISE EXCEPTION 'chain % is halted: %', of_chain, c.halted_reason USING errcode = '55000';
    END IF;
END $$;

-- The final, canonical transfer at this place, with its block's time.
CREATE FUNCTION ledger.final_transfer(of_chain bigint, of_block bytea, of_index integer,
    OUT block_number bigint, OUT token bytea, OUT src bytea, OUT dst bytea, OUT amount numeric, OUT block_time timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    SELECT t.block_number, t.token, t.src, t.dst, t.amount, b.block_time
      INTO block_number, token, src, dst, amount, block_time
      FROM public.transfers AS t
      JOIN public.blocks AS b ON b.chain_id = t.chain_id AND b.hash = t.block_hash
     WHERE t.chain_id = of_chain AND t.block_hash = of_block AND t.log_index = of_index
       AND t.canonical AND b.canonical;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'no canonical transfer % in block % of chain %', of_index, encode(of_block, 'hex'), of_chain USING errcode = '55000';
    END IF;
    PERFORM ledger.require_final(of_chain, block_number);
END $$;

-- Marks a transfer as booked by this transaction (null: nothing to book); by another one is refused.
CREATE FUNCTION ledger.mark_booked(of_chain bigint, of_block bytea, of_index integer, by_tx bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    earlier  record;
BEGIN
    INSERT INTO ledger.booked (chain_id, block_hash, log_index, tx_id) VALUES (of_chain, of_block, of_index, by_tx)
    ON CONFLICT (chain_id, block_hash, log_index) DO NOTHING;
    IF NOT FOUND THEN
        SELECT b.tx_id INTO STRICT earlier FROM ledger.booked AS b
         WHERE b.chain_id = of_chain AND b.block_hash = of_block AND b.log_index = of_index;
        IF earlier.tx_id IS DISTINCT FROM by_tx THEN
            RAISE EXCEPTION 'transfer % in block % of chain % is already booked by ledger transaction %',
                of_index, encode(of_block, 'hex'), of_chain, earlier.tx_id
                USING errcode = '23505', schema = 'ledger', table = 'booked', constraint = 'booked_pkey';
        END IF;
    END IF;
END $$;
