-- Answers are kept 30 days, for whoever asks again with the same key. Nobody may delete one earlier; rows come in the
-- order of their time, so the smallest index finds the old ones.
CREATE INDEX idempotency_keys_by_time ON idempotency_keys USING brin (created_at) WITH (pages_per_range = 16);
CREATE FUNCTION forget_answers(before timestamptz, most integer) RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH old AS (
        SELECT account_id, livemode, key FROM idempotency_keys
         WHERE created_at < least(before, now() - interval '30 days') LIMIT most FOR UPDATE SKIP LOCKED),
    gone AS (
        DELETE FROM idempotency_keys AS k USING old
         WHERE (k.account_id, k.livemode, k.key) = (old.account_id, old.livemode, old.key) RETURNING 1)
    SELECT count(*)::integer FROM gone
$$;
REVOKE EXECUTE ON FUNCTION forget_answers(timestamptz, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_answers(timestamptz, integer) TO bascule_worker;

-- An open intent may be given more time, never less.
GRANT UPDATE (expires_at, closes_at) ON payment_intents TO bascule_api;
CREATE FUNCTION refuse_less_time() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    RAISE EXCEPTION 'payment intent %, which is %, is given no such time', new.id, old.state USING errcode = '42501';
END $$;
REVOKE EXECUTE ON FUNCTION refuse_less_time() FROM PUBLIC;
CREATE TRIGGER only_more_time BEFORE UPDATE OF expires_at, closes_at ON payment_intents FOR EACH ROW
    WHEN (old.state <> 'requires_action' OR 'expired' = ANY (old.flags)
          OR new.expires_at < old.expires_at OR new.closes_at < old.closes_at)
    EXECUTE FUNCTION refuse_less_time();
