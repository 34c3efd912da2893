-- A period is closed a day after its end at the earliest, so what is younger needs no look. Its age counts when it is written:
-- a transaction that began before that day was over may be open when the period closes.
CREATE OR REPLACE FUNCTION ledger.respect_closed_periods() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    closed  timestamptz := (SELECT max(p.until) FROM ledger.period AS p);
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'whoever posts what is older than a day reads what was closed until then' USING errcode = '25001';
    ELSIF closed IS NULL OR new.effective_at >= closed THEN
        RETURN new;
    ELSIF new.chain_id IS NULL THEN
        RAISE EXCEPTION 'the books are closed until %: nothing becomes effective at %', closed, new.effective_at
            USING errcode = '23514', schema = 'ledger', table = 'tx', constraint = 'period_is_open';
    END IF;
    new.effective_at := closed;
    RETURN new;
END $$;
CREATE OR REPLACE TRIGGER effective_in_an_open_period BEFORE INSERT ON ledger.tx FOR EACH ROW
    WHEN (new.effective_at < clock_timestamp() - interval '1 day') EXECUTE FUNCTION ledger.respect_closed_periods();

-- The same as before, one at a time, by what is committed when everybody who posts has ended, and not while a payout's
-- money has left and is not booked.
CREATE OR REPLACE FUNCTION ledger.close_period(wanted timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, ledger, pg_temp AS $$
DECLARE
    before   timestamptz;
    behind   record;
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'whoever closes the books reads what was committed until then' USING errcode = '25001';
    END IF;
    LOCK TABLE tx IN SHARE ROW EXCLUSIVE MODE;          -- whoever posts or closes ends first, whoever comes later sees the period
    before := (SELECT max(p.until) FROM period AS p);
    IF wanted <= before THEN
        RAISE EXCEPTION 'the books are closed until % already', before USING errcode = '22023';
    ELSIF wanted > now() - interval '1 day' THEN
        RAISE EXCEPTION 'a period is closed a day after its end at the earliest' USING errcode = '55000';
    END IF;
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
    SELECT p.id INTO behind
      FROM payouts AS p
      JOIN tokens AS k ON k.id = p.token_id
      JOIN transfers AS t ON t.chain_id = p.chain_id AND t.token = k.contract AND t.src = p.vault AND t.dst = p.destination
      JOIN blocks AS b ON b.chain_id = t.chain_id AND b.hash = t.block_hash
     WHERE p.state = 'in_transit' AND t.canonical AND t.amount::numeric = p.amount::numeric AND b.block_time < wanted
       AND NOT EXISTS (SELECT FROM booked AS y
                        WHERE y.chain_id = t.chain_id AND y.block_hash = t.block_hash AND y.log_index = t.log_index)
     ORDER BY b.block_time LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'payout % left and is not booked yet', behind.id USING errcode = '55000';
    END IF;
    INSERT INTO period (until, since, first_tx, closed_at)
    SELECT wanted, coalesce(before, least(min(t.effective_at), wanted - interval '1 microsecond'), wanted - interval '1 microsecond'),
           coalesce(min(t.id) FILTER (WHERE t.effective_at >= wanted), max(t.id) + 1, 1),
           clock_timestamp()                            -- nothing that is in it was recorded later
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
