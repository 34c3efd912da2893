-- Addresses that an accepted token's issuer lists: what came and comes there is held. A list is believed as soon as it
-- is read; that somebody was taken off it, in a final block. What is told of reorgs and proofs holds of these too.
CREATE INDEX token_events_by_subject ON token_events (chain_id, subject) WHERE subject IS NOT NULL AND canonical;
CREATE VIEW listed_addresses AS
SELECT e.chain_id, e.token, e.subject AS address
  FROM token_events e
 WHERE e.canonical AND e.subject IS NOT NULL AND e.kind IN ('blacklisted', 'destroyed')
   AND NOT EXISTS (SELECT FROM token_events u
                    WHERE u.chain_id = e.chain_id AND u.subject = e.subject AND u.token = e.token AND u.canonical
                      AND u.kind = 'unblacklisted' AND (u.block_number, u.log_index) > (e.block_number, e.log_index)
                      AND u.block_number <= (SELECT c.finalized_number FROM cursors c WHERE c.chain_id = u.chain_id));
GRANT SELECT ON listed_addresses TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;

-- The break that an address is listed ends when it is not any more; the watcher is who reads that.
GRANT UPDATE (state, resolved_at, resolution) ON breaks TO bascule_watcher;
