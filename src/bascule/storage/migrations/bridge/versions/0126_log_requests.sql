-- What accounts asked the API and how it ended: no bodies, no queries, no secrets. Kept 30 days. Nothing refers to it and it
-- refers to nothing, so that a line costs one row and two entries of indexes.
CREATE TABLE requests (
    id           text PRIMARY KEY,                      -- req_…, as in the answer's Request-Id
    account_id   text NOT NULL,
    livemode     boolean NOT NULL,
    api_key_id   text NOT NULL,
    method       text NOT NULL,
    path         text NOT NULL CHECK (length(path) <= 200),
    status       integer NOT NULL CHECK (status BETWEEN 100 AND 599),
    error_code   text,
    replayed     boolean NOT NULL,                      -- answered with what the same Idempotency-Key got before
    duration_ms  integer NOT NULL CHECK (duration_ms >= 0),
    left_out     integer NOT NULL CHECK (left_out >= 0),    -- requests of the account before this one that have no line
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX requests_by_account ON requests (account_id, livemode, created_at DESC, id DESC);
CREATE TRIGGER append_only BEFORE UPDATE ON requests FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON requests FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT, INSERT ON requests TO bascule_api;

-- Ends the oldest lines, none younger than 30 days; below: an id that no line of that time is below, as ids sort by time.
CREATE FUNCTION forget_requests(before timestamptz, below text, most integer) RETURNS integer
    LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH old AS (
        SELECT id FROM requests
         WHERE id < below AND created_at < least(before, now() - interval '30 days')
         ORDER BY id LIMIT most FOR UPDATE SKIP LOCKED),
    gone AS (DELETE FROM requests AS r USING old WHERE r.id = old.id RETURNING 1)
    SELECT count(*)::integer FROM gone
$$;
REVOKE EXECUTE ON FUNCTION forget_requests(timestamptz, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_requests(timestamptz, text, integer) TO bascule_worker;
