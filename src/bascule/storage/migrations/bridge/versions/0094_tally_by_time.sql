-- What became effective of an account at each moment at which anything did, and in each whole hour of UTC: what it stood at, at
-- any time, is a closing, the hours behind it and the moments of at most two hours. A block brings many entries at one moment,
-- so that a busy account has few rows. They follow entries by trigger alone, under the lock of the account's balance.
CREATE TABLE ledger.tally (
    account_id  bigint NOT NULL,                        -- whether it is there is looked up for the entries
    hourly      boolean NOT NULL,                       -- an hour from `since` on, else this moment alone
    since       timestamptz NOT NULL,
    posted      numeric(78, 0) NOT NULL,
    PRIMARY KEY (account_id, hourly, since)
) WITH (fillfactor = 70);

LOCK TABLE ledger.tx IN SHARE ROW EXCLUSIVE MODE;       -- whoever posts ends first, whoever comes later is tallied by the trigger
INSERT INTO ledger.tally (account_id, hourly, since, posted)
SELECT s.account_id, s.hourly, s.since, sum(s.posted)
  FROM (SELECT e.account_id, h.hourly, e.amount AS posted,
               CASE WHEN h.hourly THEN date_bin('1 hour', t.effective_at, 'epoch') ELSE t.effective_at END AS since
          FROM ledger.entry AS e
          JOIN ledger.tx AS t ON t.id = e.tx_id
         CROSS JOIN (VALUES (false), (true)) AS h (hourly)
         WHERE e.layer = 0) AS s
 GROUP BY s.account_id, s.hourly, s.since;

CREATE FUNCTION ledger.refuse_tally_by_hand() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% on ledger.tally is not allowed: tallies follow entries', tg_op USING errcode = '42501';
END $$;
REVOKE EXECUTE ON FUNCTION ledger.refuse_tally_by_hand() FROM PUBLIC;
-- What another trigger writes is asked nothing: a call would cost as much as the row.
CREATE TRIGGER never_by_hand BEFORE INSERT OR UPDATE ON ledger.tally FOR EACH STATEMENT
    WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger.refuse_tally_by_hand();
CREATE TRIGGER never_deleted BEFORE DELETE OR TRUNCATE ON ledger.tally FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_tally_by_hand();
DROP TRIGGER never_by_hand ON ledger.balance;
CREATE TRIGGER never_by_hand BEFORE INSERT OR UPDATE ON ledger.balance FOR EACH ROW
    WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION ledger.refuse_balance_by_hand();
CREATE TRIGGER never_deleted BEFORE DELETE ON ledger.balance FOR EACH ROW EXECUTE FUNCTION ledger.refuse_balance_by_hand();

-- The same as before, and at what moment it was.
CREATE OR REPLACE FUNCTION ledger.accept_entries() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    bad     record;
BEGIN
    SELECT f.tx_id, t.id AS known INTO bad
      FROM (SELECT DISTINCT n.tx_id FROM fresh AS n) AS f LEFT JOIN ledger.tx AS t ON t.id = f.tx_id
     WHERE t.xid IS DISTINCT FROM pg_current_xact_id() LIMIT 1;
    IF FOUND AND bad.known IS NULL THEN
        RAISE EXCEPTION 'there is no ledger transaction %', bad.tx_id
            USING errcode = '23503', schema = 'ledger', table = 'entry', constraint = 'entry_tx_id_fkey';
    ELSIF FOUND THEN
        RAISE EXCEPTION 'ledger transaction % is sealed: no entry joins it after its commit', bad.tx_id USING errcode = '42501';
    END IF;

    SELECT f.account_id, f.token_id INTO bad FROM (SELECT DISTINCT n.account_id, n.token_id FROM fresh AS n) AS f
     WHERE NOT EXISTS (SELECT FROM ledger.account AS a WHERE a.id = f.account_id AND a.token_id = f.token_id) LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'there is no ledger account % of %', bad.account_id, bad.token_id
            USING errcode = '23503', schema = 'ledger', table = 'entry', constraint = 'entry_account_id_token_id_fkey';
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
                       WHEN 'asset' THEN b.posted + d.posted < 0
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

    INSERT INTO ledger.tally AS y (account_id, hourly, since, posted)
    SELECT m.account_id, h.hourly,
           CASE WHEN h.hourly THEN date_bin('1 hour', m.effective_at, 'epoch') ELSE m.effective_at END, sum(m.posted)
      FROM (SELECT f.account_id, t.effective_at, sum(f.amount) AS posted
              FROM fresh AS f JOIN ledger.tx AS t ON t.id = f.tx_id WHERE f.layer = 0 GROUP BY f.account_id, t.effective_at) AS m
     CROSS JOIN (VALUES (false), (true)) AS h (hourly)
     GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
        ON CONFLICT (account_id, hourly, since) DO UPDATE SET posted = y.posted + excluded.posted;
    RETURN NULL;
END $$;

-- What accounts were moved by from `since` on and before `until`: the moments of an hour that only its end or its beginning is
-- in, and the whole hours between.
CREATE FUNCTION ledger.moved(since timestamptz, until timestamptz) RETURNS TABLE (account_id bigint, posted numeric)
LANGUAGE sql STABLE AS $$
    WITH whole AS (SELECT date_bin('1 hour', moved.since - interval '1 microsecond', 'epoch') + interval '1 hour' AS first,
                          date_bin('1 hour', moved.until, 'epoch') AS last)
    SELECT y.account_id, y.posted FROM ledger.tally AS y, whole AS w
     WHERE y.hourly AND y.since >= w.first AND y.since < w.last
     UNION ALL
    SELECT y.account_id, y.posted FROM ledger.tally AS y, whole AS w
     WHERE NOT y.hourly AND y.since >= moved.since AND y.since < least(w.first, moved.until)
     UNION ALL
    SELECT y.account_id, y.posted FROM ledger.tally AS y, whole AS w
     WHERE NOT y.hourly AND y.since >= greatest(w.first, w.last) AND y.since < moved.until
$$;
REVOKE EXECUTE ON FUNCTION ledger.moved(timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.moved(timestamptz, timestamptz) TO bascule_worker;
GRANT SELECT ON ledger.tally TO bascule_worker;
