-- What accepted tokens said of themselves: pauses, lists, upgrades. Orphaned rows are marked, never deleted.
CREATE TABLE token_events (
    chain_id      bigint NOT NULL,
    block_hash    hash32 NOT NULL,
    log_index     integer NOT NULL CHECK (log_index >= 0),
    block_number  bigint NOT NULL,
    tx_hash       hash32 NOT NULL,
    token         evm_address NOT NULL,
    kind          text NOT NULL,
    subject       evm_address,                          -- whom a list names
    canonical     boolean NOT NULL DEFAULT true,
    PRIMARY KEY (chain_id, block_hash, log_index),
    FOREIGN KEY (chain_id, block_hash) REFERENCES blocks (chain_id, hash)
);
CREATE INDEX token_events_by_token ON token_events (chain_id, token, block_number DESC, log_index DESC);
GRANT SELECT ON token_events TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT ON token_events TO bascule_watcher;
GRANT UPDATE (canonical) ON token_events TO bascule_watcher;

-- While one of these is open its token is not offered, credited or paid out. What arrives waits.
CREATE TABLE token_suspensions (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_id     text NOT NULL REFERENCES tokens,
    cause        text NOT NULL,
    evidence     jsonb NOT NULL,
    from_number  bigint NOT NULL,                       -- the newest final block when it began
    opened_at    timestamptz NOT NULL,
    ended_at     timestamptz,
    ended_by     text,                                  -- the chain, or who resumed it
    reason       text,
    settled      boolean NOT NULL DEFAULT false,        -- what waited because of it is booked
    CONSTRAINT ended_has_reason CHECK (num_nulls(ended_at, ended_by, reason) IN (0, 3)),
    CONSTRAINT settled_has_ended CHECK (NOT settled OR ended_at IS NOT NULL)
);
CREATE UNIQUE INDEX one_open_suspension_per_cause ON token_suspensions (token_id, cause) WHERE ended_at IS NULL;
CREATE INDEX unsettled_suspensions ON token_suspensions (token_id) WHERE NOT settled;
GRANT SELECT ON token_suspensions TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT ON token_suspensions TO bascule_watcher;
GRANT UPDATE (ended_at, ended_by, reason, settled) ON token_suspensions TO bascule_watcher;
GRANT INSERT ON breaks TO bascule_watcher;

-- The causes that stand against tokens now; a token that nothing stands against is missing.
CREATE VIEW suspended_tokens AS
SELECT token_id, string_agg(cause, ',' ORDER BY cause) AS suspended
  FROM token_suspensions WHERE ended_at IS NULL GROUP BY token_id;
GRANT SELECT ON suspended_tokens TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
