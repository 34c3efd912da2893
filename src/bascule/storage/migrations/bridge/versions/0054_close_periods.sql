-- Periods that are closed: nothing becomes effective in them any more. They follow each other without a gap, and each
-- keeps what every account stood at, so that a balance at a past moment is read from there on.
CREATE TABLE ledger.period (
    until      timestamptz PRIMARY KEY,                 -- closed is whatever is effective before this moment
    since      timestamptz NOT NULL UNIQUE,             -- where the period before it ended
    first_tx   bigint NOT NULL,                         -- no transaction before this one is effective after the period
    closed_at  timestamptz NOT NULL DEFAULT now(),
    closed_by  text NOT NULL DEFAULT session_user,
    CONSTRAINT period_has_length CHECK (since < until)
);
CREATE TABLE ledger.closing (
    until       timestamptz NOT NULL REFERENCES ledger.period,
    account_id  bigint NOT NULL REFERENCES ledger.account,
    posted      numeric(78, 0) NOT NULL,                -- at the period's end; accounts that stood at zero are left out
    PRIMARY KEY (until, account_id)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.period FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON ledger.period FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON ledger.closing FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON ledger.closing FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

-- What the chain did in a period that was closed before we learned of it is effective in the first moment still open;
-- its block says when it happened. Anything else is refused.
CREATE FUNCTION ledger.respect_closed_periods() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    closed  timestamptz := (SELECT max(p.until) FROM ledger.period AS p);
BEGIN
    IF closed IS NULL OR new.effective_at >= closed THEN
        RETURN new;
    ELSIF new.chain_id IS NULL THEN
        RAISE EXCEPTION 'the books are closed until %: nothing becomes effective at %', closed, new.effective_at
            USING errcode = '23514', schema = 'ledger', table = 'tx', constraint = 'period_is_open';
    END IF;
    new.effective_at := closed;
    RETURN new;
END $$;
-- A period is closed a day after its end at the earliest, so what is younger needs no look.
CREATE TRIGGER effective_in_an_open_period BEFORE INSERT ON ledger.tx FOR EACH ROW
    WHEN (new.effective_at < now() - interval '1 day') EXECUTE FUNCTION ledger.respect_closed_periods();

-- Closes the books until this moment. Refuses (55000) while that is too early: the moment itself, a chain that is not
-- final as far, or money that is to be booked. What waits because its token or address does is booked when that ends.
CREATE FUNCTION ledger.close_period(wanted timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    before   timestamptz := (SELECT max(p.until) FROM period AS p);
    behind   record;
BEGIN
    IF wanted <= before THEN
        RAISE EXCEPTION 'the books are closed until % already', before USING errcode = '22023';
    ELSIF wanted > now() - interval '1 day' THEN
        RAISE EXCEPTION 'a period is closed a day after its end at the earliest' USING errcode = '55000';
    END IF;
    LOCK TABLE tx IN SHARE MODE;                        -- whoever is posting ends first, whoever comes later sees the period
    SELECT c.chain_id, b.block_time INTO behind
      FROM cursors AS c LEFT JOIN blocks AS b ON b.chain_id = c.chain_id AND b.hash = c.finalized_hash
     WHERE b.block_time IS NULL OR b.block_time < wanted ORDER BY b.block_time NULLS FIRST LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'chain % is final up to %', behind.chain_id, coalesce(behind.block_time::text, 'a block we do not have')
            USING errcode = '55000';
    END IF;
    SELECT d.id INTO behind FROM deposits AS d JOIN tokens AS k ON k.id = d.token_id AND k.accepted
     WHERE d.block_time < wanted AND d.amount > 0 AND d.state <> 'orphaned'
       AND NOT EXISTS (SELECT FROM token_suspensions AS s WHERE s.token_id = d.token_id AND NOT s.settled)
       AND NOT EXISTS (SELECT FROM listed_addresses AS l WHERE (l.chain_id, l.token, l.address) = (d.chain_id, d.token, d.dst))
       AND NOT EXISTS (SELECT FROM tx AS x WHERE x.source = 'deposit' AND x.source_id = d.id) ORDER BY d.block_time LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'deposit % is not booked yet', behind.id USING errcode = '55000';
    END IF;
    INSERT INTO period (until, since, first_tx)
    SELECT wanted, coalesce(before, least(min(t.effective_at), wanted - interval '1 microsecond'), wanted - interval '1 microsecond'),
           coalesce(min(t.id) FILTER (WHERE t.effective_at >= wanted), max(t.id) + 1, 1)
      FROM tx AS t;
    INSERT INTO closing (until, account_id, posted)
    SELECT wanted, s.account_id, sum(s.posted)
      FROM (SELECT c.account_id, c.posted FROM closing AS c WHERE c.until = before
             UNION ALL
            SELECT e.account_id, e.amount FROM entry AS e JOIN tx AS t ON t.id = e.tx_id
             WHERE e.layer = 0 AND t.effective_at < wanted
               AND (before IS NULL OR t.effective_at >= before)
               AND t.id >= coalesce((SELECT p.first_tx FROM period AS p WHERE p.until = before), 0)) AS s
     GROUP BY s.account_id HAVING sum(s.posted) <> 0;
END $$;
REVOKE EXECUTE ON FUNCTION ledger.close_period(timestamptz), ledger.respect_closed_periods() FROM PUBLIC;
GRANT SELECT ON ledger.period, ledger.closing TO bascule_api, bascule_worker;
GRANT EXECUTE ON FUNCTION ledger.close_period(timestamptz) TO bascule_worker;

GRANT SELECT ON recovered_payouts TO bascule_worker;     -- which verifies the books

-- The watcher says what the chain said: whom we pay, and who approved that, is not its business.
REVOKE SELECT ON payouts, payout_approvals, payout_batches, payout_batch_approvals FROM bascule_watcher;
REVOKE EXECUTE ON FUNCTION ledger.verify(), ledger.verify_applications() FROM bascule_watcher;
