-- A hold is on whose money it is, not on where that money lies: approved payouts wait until the vault is topped up, and
-- reservation takes no more than the vault has. What an account or a vault has not got is still never posted.
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
    RETURN NULL;
END $$;

-- Tells listening submitters, when the transaction commits, that there is work; polling is the truth.
CREATE FUNCTION wake_submitters() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('bascule_payouts', '');
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION wake_submitters() FROM PUBLIC;
CREATE TRIGGER wakes_the_submitters AFTER UPDATE OF state ON payouts FOR EACH ROW
    WHEN (new.state = 'pending' AND old.state = 'requires_action') EXECUTE FUNCTION wake_submitters();
CREATE TRIGGER new_one_wakes_the_submitters AFTER INSERT ON payouts FOR EACH ROW
    WHEN (new.state = 'pending') EXECUTE FUNCTION wake_submitters();
