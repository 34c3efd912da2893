-- A settlement takes the number behind its asset's newest: a far one, taken by a stolen login, would leave none to follow it. And
-- what it is paid by is the payout that was asked for in its name.
CREATE FUNCTION number_settlement() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    newest  integer;
BEGIN
    SELECT coalesce(max(s.period), 0) INTO newest FROM settlements AS s
     WHERE (s.account_id, s.livemode, s.token_id) = (new.account_id, new.livemode, new.token_id);
    IF new.period > newest + 1 THEN
        RAISE EXCEPTION 'settlement % is of period %, not of %', new.id, newest + 1, new.period USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE FUNCTION guard_settlement_payout() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM payouts AS p WHERE p.id = new.payout_id
                      AND (p.account_id, p.livemode, p.token_id, p.identity)
                        = (old.account_id, old.livemode, old.token_id, old.identity)) THEN
        RAISE EXCEPTION 'payout % is not of settlement %', new.payout_id, old.id USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
REVOKE EXECUTE ON FUNCTION number_settlement(), guard_settlement_payout() FROM PUBLIC;
CREATE TRIGGER numbered BEFORE INSERT ON settlements FOR EACH ROW EXECUTE FUNCTION number_settlement();
CREATE TRIGGER paid_by_its_own BEFORE UPDATE OF payout_id ON settlements FOR EACH ROW
    WHEN (new.payout_id IS DISTINCT FROM old.payout_id) EXECUTE FUNCTION guard_settlement_payout();
