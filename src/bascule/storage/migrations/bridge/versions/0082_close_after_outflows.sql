-- The same as before, and not while money has left us otherwise and is not booked: by a batch that an older backup forgot, or
-- found late. What waits for its token to be resumed becomes effective then.
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
    SELECT t.tx_hash INTO behind
      FROM transfers AS t
      JOIN tokens AS k ON k.chain_id = t.chain_id AND k.contract = t.token AND k.accepted
      JOIN openings AS o ON o.chain_id = t.chain_id AND o.address = t.src AND o.token = t.token AND o.block_number < t.block_number
      JOIN blocks AS b ON b.chain_id = t.chain_id AND b.hash = t.block_hash
     WHERE t.canonical AND t.amount > 0 AND b.block_time < wanted
       AND NOT EXISTS (SELECT FROM token_suspensions AS s WHERE s.token_id = k.id AND NOT s.settled)
       AND NOT EXISTS (SELECT FROM own_addresses AS x WHERE x.chain_id = t.chain_id AND x.address = t.dst)
       AND NOT EXISTS (SELECT FROM deposit_addresses AS x WHERE x.chain_id = t.chain_id AND x.address = t.dst)
       AND NOT EXISTS (SELECT FROM booked AS y
                        WHERE y.chain_id = t.chain_id AND y.block_hash = t.block_hash AND y.log_index = t.log_index)
     ORDER BY b.block_time LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'money left in transaction 0x% and is not booked yet: look at it with `bascule explain`',
            encode(behind.tx_hash, 'hex') USING errcode = '55000';
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
