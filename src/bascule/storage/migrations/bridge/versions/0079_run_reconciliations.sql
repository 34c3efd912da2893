-- One look at everything: each token against its chain, then every contradiction among our rows.
-- livemode, chain_id: null for all. The counts are written when it is finished, once.
CREATE TABLE reconciliation_runs (
    id            text PRIMARY KEY,                     -- rec_…
    livemode      boolean,
    chain_id      bigint REFERENCES networks,
    requested_by  text NOT NULL,                        -- key_…, cli, or process:worker
    created_at    timestamptz NOT NULL,
    finished_at   timestamptz,
    compared      integer,                              -- tokens
    uneven        integer,                              -- of them with a residual
    opened        integer,                              -- breaks
    ended         integer,
    CONSTRAINT finished_has_counts CHECK (num_nonnulls(finished_at, compared, uneven, opened, ended) IN (0, 5))
);
CREATE INDEX reconciliation_runs_by_time ON reconciliation_runs (created_at DESC, id DESC);
CREATE INDEX reconciliation_runs_waiting ON reconciliation_runs (created_at) WHERE finished_at IS NULL;
ALTER TABLE reconciliations ADD COLUMN run_id text REFERENCES reconciliation_runs;
CREATE INDEX reconciliations_of_run ON reconciliations (run_id) WHERE run_id IS NOT NULL;
GRANT SELECT, INSERT ON reconciliation_runs TO bascule_api, bascule_worker;
GRANT UPDATE (finished_at, compared, uneven, opened, ended) ON reconciliation_runs TO bascule_worker;
