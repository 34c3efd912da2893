-- As before (0078); and a refund goes on by its own states alone, and the end of its cool-off is said once.
CREATE OR REPLACE FUNCTION guard_refund() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    outcome  text;
BEGIN
    SELECT p.state INTO outcome FROM payouts AS p WHERE p.id = new.payout_id;
    IF old.state IN ('succeeded', 'failed', 'canceled') THEN
        RAISE EXCEPTION 'refund % is %, for ever', old.id, old.state USING errcode = '42501';
    ELSIF old.state = 'pending' AND new.state = 'requires_action' THEN
        RAISE EXCEPTION 'refund % is claimed, for ever', old.id USING errcode = '42501';
    ELSIF old.destination IS DISTINCT FROM new.destination AND old.destination IS NOT NULL
       OR old.pays_at IS DISTINCT FROM new.pays_at AND old.pays_at IS NOT NULL
       OR old.payout_id IS DISTINCT FROM new.payout_id AND old.payout_id IS NOT NULL THEN
        RAISE EXCEPTION 'refund % has its destination, its cool-off and its payout once', old.id USING errcode = '42501';
    ELSIF new.state = 'succeeded' AND outcome IS DISTINCT FROM 'paid' THEN
        RAISE EXCEPTION 'refund % is not paid', old.id USING errcode = '42501';
    ELSIF new.state IN ('failed', 'canceled') AND outcome NOT IN ('failed', 'canceled') THEN
        RAISE EXCEPTION 'refund % may still be paid', old.id USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
