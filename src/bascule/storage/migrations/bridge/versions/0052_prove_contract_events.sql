-- What tokens and what deposit factories say of themselves is read, proven and taken back in one way: one table.
DROP VIEW stopped_flushes;
ALTER TABLE token_events RENAME TO contract_events;
ALTER TABLE contract_events RENAME COLUMN token TO contract;
ALTER TABLE contract_events RENAME CONSTRAINT token_events_pkey TO contract_events_pkey;
ALTER TABLE contract_events RENAME CONSTRAINT token_events_chain_id_block_hash_fkey TO contract_events_chain_id_block_hash_fkey;
ALTER INDEX token_events_by_token RENAME TO contract_events_by_contract;
ALTER INDEX token_events_by_subject RENAME TO contract_events_by_subject;
INSERT INTO contract_events (chain_id, block_hash, log_index, block_number, tx_hash, contract, kind, subject, canonical)
SELECT chain_id, block_hash, log_index, block_number, tx_hash, factory, kind, collector, canonical FROM collector_events;
DROP TABLE collector_events;

-- Networks where nothing is flushed, by what their factory said last. That a collector is dropped again counts once its
-- block is proven.
CREATE VIEW stopped_flushes AS
SELECT n.chain_id, e.kind, e.subject AS collector, e.block_number, e.tx_hash
  FROM networks n
 CROSS JOIN LATERAL (
       SELECT * FROM contract_events c
        WHERE c.chain_id = n.chain_id AND c.contract = n.deposit_factory AND c.canonical
          AND (c.kind IN ('scheduled', 'changed')
               OR (c.kind = 'unscheduled'
                   AND EXISTS (SELECT FROM blocks b WHERE b.chain_id = c.chain_id AND b.hash = c.block_hash
                                  AND b.verified NOT IN ('none', 'bloom'))))
        ORDER BY c.block_number DESC, c.log_index DESC LIMIT 1) e
 WHERE (e.kind = 'scheduled' AND e.subject IS DISTINCT FROM n.collector_next)
    OR (e.kind = 'changed' AND e.subject IS DISTINCT FROM n.collector);
GRANT SELECT ON stopped_flushes TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;

-- A scheduled collector that was confirmed is so no more once the factory dropped it: scheduled again, it is looked at
-- again. The watcher may do this and nothing else to a network's collectors.
CREATE FUNCTION forget_unscheduled_collector(of_chain bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE networks n SET collector_next = NULL
     WHERE n.chain_id = of_chain AND n.collector_next IS NOT NULL
       AND (SELECT c.kind FROM contract_events c
             WHERE c.chain_id = n.chain_id AND c.contract = n.deposit_factory AND c.canonical
               AND c.kind IN ('scheduled', 'changed', 'unscheduled')
             ORDER BY c.block_number DESC, c.log_index DESC LIMIT 1) = 'unscheduled'
$$;
REVOKE EXECUTE ON FUNCTION forget_unscheduled_collector(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION forget_unscheduled_collector(bigint) TO bascule_watcher;
