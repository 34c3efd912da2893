-- No payout that screening holds goes out, as before (0099): looked up once for all that go out together, where a batch of a
-- hundred was a hundred calls and queries.
DROP TRIGGER not_while_held ON payouts;
CREATE OR REPLACE FUNCTION refuse_held_payout() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    held  text;
BEGIN
    SELECT n.id INTO held FROM after_it AS n JOIN before_it AS o USING (id)
     WHERE o.state = 'pending' AND n.state = 'in_transit'
       AND (SELECT count(*) FROM screenings AS s WHERE s.payout_id = n.id AND s.state <> 'released') > 0  -- by key, each
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'screening holds payout %', held USING errcode = '42501';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER not_while_held AFTER UPDATE ON payouts REFERENCING OLD TABLE AS before_it NEW TABLE AS after_it
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_held_payout();
