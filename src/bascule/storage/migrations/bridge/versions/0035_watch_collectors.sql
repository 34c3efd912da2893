-- What deposit factories say of their collector, in the blocks where they say it. Orphaned rows are marked, never
-- deleted.
CREATE TABLE collector_events (
    chain_id      bigint NOT NULL,
    block_hash    hash32 NOT NULL,
    log_index     integer NOT NULL CHECK (log_index >= 0),
    block_number  bigint NOT NULL,
    tx_hash       hash32 NOT NULL,
    factory       evm_address NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('scheduled', 'changed', 'unscheduled')),
    collector     evm_address NOT NULL,                 -- the next one, the present one, the dropped one
    canonical     boolean NOT NULL DEFAULT true,
    PRIMARY KEY (chain_id, block_hash, log_index),
    FOREIGN KEY (chain_id, block_hash) REFERENCES blocks (chain_id, hash)
);
CREATE INDEX collector_events_by_factory
    ON collector_events (chain_id, factory, block_number DESC, log_index DESC) WHERE canonical;
GRANT SELECT ON collector_events TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT ON collector_events TO bascule_watcher;
GRANT UPDATE (canonical) ON collector_events TO bascule_watcher;

-- The scheduled collector that an operator confirmed; it takes the place of `collector` when it is confirmed again.
ALTER TABLE networks ADD COLUMN collector_next evm_address;

-- Networks where nothing is flushed, by what their factory said last.
CREATE VIEW stopped_flushes AS
SELECT n.chain_id, e.kind, e.collector, e.block_number, e.tx_hash
  FROM networks n
 CROSS JOIN LATERAL (SELECT * FROM collector_events c
                      WHERE c.chain_id = n.chain_id AND c.factory = n.deposit_factory AND c.canonical
                      ORDER BY c.block_number DESC, c.log_index DESC LIMIT 1) e
 WHERE (e.kind = 'scheduled' AND e.collector IS DISTINCT FROM n.collector_next)
    OR (e.kind = 'changed' AND e.collector IS DISTINCT FROM n.collector);
GRANT SELECT ON stopped_flushes TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
