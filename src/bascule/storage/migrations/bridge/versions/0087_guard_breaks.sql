-- The API passes on what a person explains. Whatever else ends a break is found or booked by other processes, so who breaks
-- into the API lets no payouts go on that stand against what the books themselves contradict.
CREATE FUNCTION refuse_end_of_break() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'break % is a %: no explanation ends it', old.id, old.type USING errcode = '42501';
END $$;
REVOKE EXECUTE ON FUNCTION refuse_end_of_break() FROM PUBLIC;
CREATE TRIGGER ended_by_what_ends_it BEFORE UPDATE OF state ON breaks FOR EACH ROW
    WHEN (old.type <> ALL (ARRAY['custody_residual', 'payout_of_lost_request', 'amount_under', 'amount_over', 'late_payment',
                                 'duplicate_payment', 'wrong_token', 'unapplied_deposit', 'webhook_gap'])
          AND pg_has_role(session_user, 'bascule_api', 'member') AND NOT pg_has_role(session_user, 'bascule_worker', 'member'))
    EXECUTE FUNCTION refuse_end_of_break();
