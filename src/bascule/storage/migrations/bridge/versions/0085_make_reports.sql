-- An id outside for what one transaction did in one asset: when it was recorded and what it is, nothing of how many there are.
CREATE FUNCTION ledger.public_id(recorded_at timestamptz, digest bytea, token_id text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 'txn_' || lpad(to_hex(floor(extract(epoch FROM recorded_at) * 1000)::bigint), 12, '0')
       || encode(substr(sha256(digest || convert_to(token_id, 'UTF8')), 1, 10), 'hex');

CREATE OR REPLACE VIEW ledger.balance_transaction AS
SELECT a.owner_account AS account_id, a.id AS ledger_account, a.token_id, x.id AS tx_id, x.digest, x.recorded_at, x.effective_at,
       ledger.category(x.kind) AS type, split_part(x.source_id, '#', 1) AS source, x.chain_id, x.block_number,
       -sum(e.amount) AS net,
       coalesce((SELECT -sum(f.amount) FROM ledger.entry AS f JOIN ledger.account AS i ON i.id = f.account_id
                  WHERE f.tx_id = x.id AND f.layer = 0 AND f.token_id = a.token_id AND i.code LIKE 'income:fee%'), 0) AS fee,
       ledger.public_id(x.recorded_at, x.digest, a.token_id) AS id
  FROM ledger.account AS a
  JOIN ledger.entry AS e ON e.account_id = a.id AND e.layer = 0
  JOIN ledger.tx AS x ON x.id = e.tx_id
 WHERE a.code LIKE 'available:%'
 GROUP BY a.owner_account, a.id, a.token_id, x.id;

-- A moment as every report writes it.
CREATE FUNCTION report_time(moment timestamptz) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE
RETURN to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"');

-- Words of people: where a spreadsheet will open them, an apostrophe keeps them from being a formula.
CREATE FUNCTION report_text(words text, guarded boolean) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN guarded AND words ~ '^[-=+@\t\r\n]' THEN '''' || words ELSE words END;

CREATE TABLE report_runs (
    id            text PRIMARY KEY,                     -- rpt_…
    account_id    text NOT NULL REFERENCES accounts,
    livemode      boolean NOT NULL,
    type          text NOT NULL,
    format        text NOT NULL CHECK (format IN ('csv', 'jsonl', 'parquet')),
    since         timestamptz NOT NULL CHECK (isfinite(since)),
    until         timestamptz NOT NULL CHECK (isfinite(until)),
    requested_by  text NOT NULL,                        -- key_…
    created_at    timestamptz NOT NULL,
    state         text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'running', 'succeeded', 'failed')),
    attempt       integer NOT NULL DEFAULT 0,           -- who holds an older one may not finish
    leased_until  timestamptz,
    reach         bigint,                               -- the newest ledger transaction that is in it
    closed        boolean,                              -- nothing will join its interval
    progress      smallint NOT NULL DEFAULT 0 CHECK (progress BETWEEN 0 AND 100),
    rows          bigint,
    failure       text,
    finished_at   timestamptz,
    version       integer NOT NULL DEFAULT 1,
    CONSTRAINT it_ends_after_it_begins CHECK (since < until),
    CONSTRAINT only_what_runs_is_leased CHECK ((state = 'running') = (leased_until IS NOT NULL)),
    CONSTRAINT what_failed_says_why CHECK ((state = 'failed') = (failure IS NOT NULL))
);
CREATE INDEX report_runs_by_account ON report_runs (account_id, livemode, created_at DESC, id DESC);
CREATE INDEX report_runs_to_make ON report_runs (created_at) WHERE state IN ('pending', 'running');

CREATE TABLE files (
    id          text PRIMARY KEY,                       -- file_…
    account_id  text NOT NULL REFERENCES accounts,
    livemode    boolean NOT NULL,
    run_id      text NOT NULL REFERENCES report_runs,
    path        text NOT NULL,                          -- below the run's folder, with slashes
    media_type  text NOT NULL,
    size        bigint NOT NULL CHECK (size >= 0),
    rows        bigint NOT NULL CHECK (rows >= 0),
    sha256      hash32 NOT NULL,
    created_at  timestamptz NOT NULL,
    UNIQUE (run_id, path)
);

CREATE TABLE file_parts (
    file_id  text NOT NULL REFERENCES files,
    n        integer NOT NULL CHECK (n >= 0),
    content  bytea NOT NULL CHECK (octet_length(content) BETWEEN 1 AND 1048576),
    PRIMARY KEY (file_id, n)
);
ALTER TABLE file_parts ALTER COLUMN content SET STORAGE EXTERNAL;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON files FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON files FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON file_parts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON file_parts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

REVOKE ALL ON FUNCTION ledger.public_id(timestamptz, bytea, text), report_time(timestamptz), report_text(text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.public_id(timestamptz, bytea, text) TO bascule_api, bascule_worker;
GRANT EXECUTE ON FUNCTION report_time(timestamptz), report_text(text, boolean) TO bascule_worker;
GRANT SELECT ON report_runs, files TO bascule_api, bascule_worker;
GRANT SELECT ON file_parts TO bascule_api;
GRANT INSERT (id, account_id, livemode, type, format, since, until, requested_by, created_at) ON report_runs TO bascule_api;
GRANT UPDATE (state, attempt, leased_until, reach, closed, progress, rows, failure, finished_at, version) ON report_runs TO bascule_worker;
GRANT INSERT ON files, file_parts TO bascule_worker;
GRANT SELECT ON ledger.period, ledger.closing TO bascule_worker;
