-- The newest block that a chain's watcher was shown, and when, so that every process can say how far we are behind.
CREATE TABLE sightings (
    chain_id     bigint PRIMARY KEY REFERENCES networks,
    head_number  bigint NOT NULL,
    head_time    timestamptz NOT NULL,                  -- block time of that block
    seen_at      timestamptz NOT NULL
);
GRANT SELECT ON sightings TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT, UPDATE ON sightings TO bascule_watcher;
