-- Sanctions lists as they were imported. A version never changes; the newest of each name is in force.
CREATE TABLE screening_lists (
    id            text PRIMARY KEY,                       -- name.version
    name          text NOT NULL CHECK (name ~ '^[a-z0-9][a-z0-9_-]{0,49}$'),
    version       integer NOT NULL CHECK (version >= 1),
    digest        hash32 NOT NULL,                        -- SHA-256 of the file
    entries       integer NOT NULL CHECK (entries >= 1),
    added         integer NOT NULL,
    removed       integer NOT NULL,
    imported_by   text NOT NULL,                          -- key_… or cli
    created_at    timestamptz NOT NULL,
    rescreened_at timestamptz,                            -- what waited was held against it
    UNIQUE (name, version),
    CHECK (id = name || '.' || version)
);
CREATE INDEX screening_lists_to_rescreen ON screening_lists (created_at) WHERE rescreened_at IS NULL;

-- Who is on a list, from one version on and up to another: the list of any version can be read back.
CREATE TABLE screening_entries (
    list       text NOT NULL,
    address    evm_address NOT NULL,
    reference  text NOT NULL,                             -- what the list says of it: a programme, a case
    since      integer NOT NULL,
    until      integer CHECK (until > since),             -- the first version without it
    PRIMARY KEY (list, address, since),
    FOREIGN KEY (list, since) REFERENCES screening_lists (name, version)
);
CREATE UNIQUE INDEX screening_entries_now ON screening_entries (address, list) WHERE until IS NULL;

-- A deposit or a payout whose other side stands on a list, until the compliance role decides.
CREATE TABLE screenings (
    id          text PRIMARY KEY,                         -- scr_…
    account_id  text NOT NULL REFERENCES accounts,
    livemode    boolean NOT NULL,
    deposit_id  text REFERENCES deposits,
    payout_id   text REFERENCES payouts,
    address     evm_address NOT NULL,
    list        text NOT NULL,
    version     integer NOT NULL,                         -- of the list, when it was found
    reference   text NOT NULL,
    state       text NOT NULL CHECK (state IN ('open', 'released', 'rejected')),
    created_at  timestamptz NOT NULL,
    decided_at  timestamptz,
    decided_by  text,                                     -- key_… or cli
    reason      text,
    FOREIGN KEY (list, version) REFERENCES screening_lists (name, version),
    CHECK (num_nonnulls(deposit_id, payout_id) = 1),
    CHECK ((state = 'open') = (num_nonnulls(decided_at, decided_by, reason) = 0)),
    CHECK (num_nonnulls(decided_at, decided_by, reason) IN (0, 3))
);
CREATE UNIQUE INDEX screenings_hold_deposit ON screenings (deposit_id) WHERE state <> 'released';
CREATE UNIQUE INDEX screenings_hold_payout ON screenings (payout_id) WHERE state <> 'released';
CREATE UNIQUE INDEX screenings_once_deposit ON screenings (deposit_id, address, list);
CREATE UNIQUE INDEX screenings_once_payout ON screenings (payout_id, address, list);
CREATE INDEX screenings_newest ON screenings (created_at DESC, id DESC);

CREATE TRIGGER never_deleted BEFORE DELETE ON screenings FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON screenings FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE ON screening_entries FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON screening_entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_deleted BEFORE DELETE ON screening_lists FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON screening_lists FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What was decided stays decided, and what was found stays as it was found.
CREATE FUNCTION guard_screening() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF old.state <> 'open' OR new.state = 'open'
       OR (old.id, old.account_id, old.livemode, old.address, old.list, old.version, old.reference, old.created_at)
          <> (new.id, new.account_id, new.livemode, new.address, new.list, new.version, new.reference, new.created_at)
       OR (old.deposit_id, old.payout_id) IS DISTINCT FROM (new.deposit_id, new.payout_id) THEN
        RAISE EXCEPTION 'screening % is %, and only decided once', old.id, old.state USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER decided_once BEFORE UPDATE ON screenings FOR EACH ROW EXECUTE FUNCTION guard_screening();

CREATE FUNCTION guard_screening_entry() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF old.until IS NOT NULL OR new.until IS NULL
       OR (old.list, old.address, old.reference, old.since) <> (new.list, new.address, new.reference, new.since) THEN
        RAISE EXCEPTION 'an entry of list % ends once and changes no more', old.list USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER ends_once BEFORE UPDATE ON screening_entries FOR EACH ROW EXECUTE FUNCTION guard_screening_entry();

-- Whoever decides: what screening holds is applied and accepted by nobody.
CREATE FUNCTION refuse_held_money() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM screenings AS s WHERE s.deposit_id = new.deposit_id AND s.state <> 'released') THEN
        RAISE EXCEPTION 'screening holds deposit %', new.deposit_id USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER not_while_held BEFORE UPDATE OF state ON applications FOR EACH ROW
    WHEN (old.state = 'unapplied' AND new.state <> 'unapplied') EXECUTE FUNCTION refuse_held_money();

-- Nor does a payout that screening holds go out.
CREATE FUNCTION refuse_held_payout() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM screenings AS s WHERE s.payout_id = new.id AND s.state <> 'released') THEN
        RAISE EXCEPTION 'screening holds payout %', new.id USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER not_while_held BEFORE UPDATE OF state ON payouts FOR EACH ROW
    WHEN (old.state = 'pending' AND new.state = 'in_transit') EXECUTE FUNCTION refuse_held_payout();

-- ───────────────────────── the books ─────────────────────────
ALTER TABLE ledger.account DROP CONSTRAINT account_code_check,
    ADD CONSTRAINT account_code_check CHECK (code ~ '^((available|suspense|screened):.+|custody:(forwarders|collector|vault|wallets)|expense:(gas|outflow)|income:(native|fees))$');
ALTER TABLE ledger.tx DROP CONSTRAINT tx_kind_check,
    ADD CONSTRAINT tx_kind_check CHECK (kind IN ('opening', 'deposit', 'internal', 'hold', 'release', 'payout', 'gas', 'application', 'outflow', 'loss', 'found',
        'refund', 'fee', 'screening'));

-- As before (0004), with the account of what screening holds.
CREATE OR REPLACE FUNCTION ledger.account_for(wanted_code text, wanted_token text) RETURNS bigint
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
            CASE WHEN class IN ('available', 'suspense', 'screened') THEN 'liability' WHEN class = 'custody' THEN 'asset' ELSE class END,
            CASE WHEN class IN ('available', 'suspense', 'screened') THEN split_part(wanted_code, ':', 2) END,
            class IN ('available', 'suspense', 'screened') OR (class = 'custody' AND NOT native))
    ON CONFLICT (code, token_id) DO NOTHING;
    SELECT a.id INTO STRICT found_id FROM ledger.account AS a WHERE a.code = wanted_code AND a.token_id = wanted_token;
    RETURN found_id;
END $$;

-- Moves booked money that screening holds out of suspense, or back once it is released; null when there is nothing to move.
CREATE FUNCTION ledger.post_screening(of_screening text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    s      record;
    d      record;
    books  bigint[];
    owner  text;
    held   bigint;
BEGIN
    SELECT * INTO s FROM screenings WHERE id = of_screening FOR NO KEY UPDATE;
    IF NOT FOUND OR s.deposit_id IS NULL THEN
        RAISE EXCEPTION 'there is no screening % of a deposit', of_screening;
    END IF;
    SELECT * INTO STRICT d FROM deposits WHERE id = s.deposit_id;
    SELECT t.id INTO held FROM tx AS t WHERE t.source = 'screening' AND t.source_id = s.id;
    IF NOT EXISTS (SELECT FROM tx AS t WHERE t.source = 'deposit' AND t.source_id = d.id) OR (s.state = 'released' AND held IS NULL) THEN
        RETURN NULL;
    END IF;
    owner := CASE d.kind WHEN 'payment' THEN d.account_id ELSE operator_account() END;
    books := ARRAY[account_for('suspense:' || owner, d.token_id), account_for('screened:' || owner, d.token_id)];
    -- what is released goes on to the merchant in the same transaction: all balances are taken here, in the order of all
    PERFORM FROM balance AS b WHERE b.account_id = ANY (books || account_for('available:' || owner, d.token_id))
      ORDER BY b.account_id FOR NO KEY UPDATE;
    IF s.state = 'released' THEN
        RETURN post('screening', s.id || '#released', 'screening', NULL, NULL, now(), ARRAY[books[2], books[1]],
            ARRAY[0, 0]::smallint[], ARRAY[d.amount::numeric, -d.amount], held);
    ELSIF held IS NULL AND NOT EXISTS (SELECT FROM applications AS p WHERE p.deposit_id = d.id AND p.state = 'unapplied') THEN
        RAISE EXCEPTION 'screening % holds deposit %, which is not unapplied', s.id, d.id;
    END IF;
    RETURN post('screening', s.id, 'screening', NULL, NULL, now(), books, ARRAY[0, 0]::smallint[], ARRAY[d.amount::numeric, -d.amount]);
END $$;

-- ───────────────────────── who may ─────────────────────────
REVOKE EXECUTE ON FUNCTION ledger.post_screening(text), guard_screening(), guard_screening_entry(), refuse_held_money(),
    refuse_held_payout() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.post_screening(text) TO bascule_watcher, bascule_api, bascule_worker;
GRANT SELECT ON screenings, screening_entries, screening_lists TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker,
    bascule_auditor;
GRANT INSERT (id, account_id, livemode, deposit_id, payout_id, address, list, version, reference, state, created_at)
    ON screenings TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT UPDATE (state, decided_at, decided_by, reason) ON screenings TO bascule_api;
GRANT INSERT (id, name, version, digest, entries, added, removed, imported_by, created_at) ON screening_lists TO bascule_api;
GRANT INSERT ON screening_entries TO bascule_api;
GRANT UPDATE (until) ON screening_entries TO bascule_api;
GRANT UPDATE (rescreened_at) ON screening_lists TO bascule_worker;
GRANT UPDATE (version) ON deposits TO bascule_worker;     -- it locks what it holds
