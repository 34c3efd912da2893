-- New answers take the room of those that were forgotten, and a BRIN index never learns that old rows are gone: after a
-- month each look read the whole table. In order, as what a parameter leaves over is guessed to be a third of all rows, of
-- which the first ones would be soon found anywhere.
DROP INDEX idempotency_keys_by_time;
CREATE INDEX idempotency_keys_by_time ON idempotency_keys (created_at);
CREATE OR REPLACE FUNCTION forget_answers(before timestamptz, most integer) RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH old AS (
        SELECT account_id, livemode, key FROM idempotency_keys
         WHERE created_at < least(before, now() - interval '30 days')
         ORDER BY created_at LIMIT most FOR UPDATE SKIP LOCKED),
    gone AS (
        DELETE FROM idempotency_keys AS k USING old
         WHERE (k.account_id, k.livemode, k.key) = (old.account_id, old.livemode, old.key) RETURNING 1)
    SELECT count(*)::integer FROM gone
$$;
