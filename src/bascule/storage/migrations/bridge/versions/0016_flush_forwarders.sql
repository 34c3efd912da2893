-- Money at deposit addresses goes to the collector in flushes. A forwarder sends its whole balance or nothing, so a
-- deposit knows the block of the Transfer that took it away, whoever caused that.
ALTER TABLE deposits ADD COLUMN flushed_block bigint;
UPDATE deposits AS d SET flushed_block = t.block_number
  FROM transfers AS t JOIN cursors AS c ON c.chain_id = t.chain_id AND t.block_number <= c.finalized_number
 WHERE d.kind = 'payment' AND t.canonical AND t.chain_id = d.chain_id AND t.src = d.dst AND t.token = d.token
   AND (d.block_number, d.log_index) < (t.block_number, t.log_index);
CREATE INDEX deposits_to_flush ON deposits (chain_id, token_id, dst)
 WHERE state = 'finalized' AND kind = 'payment' AND flushed_block IS NULL;

-- A request, then the slot that carries it. It keeps which factory and collector it was planned for.
CREATE TABLE flushes (
    id          text PRIMARY KEY,                       -- fl_…
    chain_id    bigint NOT NULL REFERENCES networks,
    token_id    text NOT NULL REFERENCES tokens,
    factory     evm_address NOT NULL,
    collector   evm_address NOT NULL,
    state       text NOT NULL DEFAULT 'requested' CHECK (state IN
                    ('requested', 'in_transit', 'done', 'reverted', 'refused', 'done_elsewhere', 'withdrawn')),
    wallet      evm_address,
    nonce       bigint,
    created_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    CONSTRAINT one_flush_per_slot UNIQUE (chain_id, wallet, nonce),
    CONSTRAINT sent_has_slot CHECK ((state IN ('in_transit', 'done', 'reverted', 'refused')) = (nonce IS NOT NULL)
                                    AND (wallet IS NULL) = (nonce IS NULL)),
    CONSTRAINT ended_has_time CHECK ((state IN ('requested', 'in_transit')) = (ended_at IS NULL)),
    FOREIGN KEY (chain_id, wallet, nonce) REFERENCES slots
);
CREATE INDEX flushes_to_reserve ON flushes (chain_id, created_at) WHERE state = 'requested';

CREATE TABLE flush_items (
    flush_id    text NOT NULL REFERENCES flushes,
    chain_id    bigint NOT NULL,
    token_id    text NOT NULL REFERENCES tokens,
    address     evm_address NOT NULL,
    amount      base_units NOT NULL CHECK (amount > 0), -- what lay there when it was planned
    outcome     text NOT NULL DEFAULT 'open' CHECK (outcome IN
                    ('open', 'flushed', 'skipped', 'reverted', 'refused', 'elsewhere', 'released')),
    moved       base_units,                             -- what the factory says it moved
    why         text,
    decided_at  timestamptz,
    PRIMARY KEY (flush_id, address),
    CONSTRAINT flushed_has_moved CHECK ((outcome = 'flushed') = (moved IS NOT NULL)),
    CONSTRAINT decided_has_time CHECK ((outcome = 'open') = (decided_at IS NULL)),
    FOREIGN KEY (chain_id, address) REFERENCES deposit_addresses
);
CREATE UNIQUE INDEX one_open_flush_per_forwarder ON flush_items (chain_id, address, token_id) WHERE outcome = 'open';
CREATE INDEX flush_items_to_wait_for ON flush_items (chain_id, token_id, address, decided_at)
 WHERE outcome IN ('skipped', 'reverted', 'refused');

-- What a flush moves, and from where, is for ever; only how it ended is written later.
CREATE FUNCTION refuse_other_flush() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (new.id, new.chain_id, new.token_id, new.factory, new.collector, new.created_at)
       IS DISTINCT FROM (old.id, old.chain_id, old.token_id, old.factory, old.collector, old.created_at)
       OR (old.nonce IS NOT NULL AND (new.wallet, new.nonce) IS DISTINCT FROM (old.wallet, old.nonce)) THEN
        RAISE EXCEPTION 'what flush % moves is for ever', old.id USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER flush_is_for_ever BEFORE UPDATE ON flushes FOR EACH ROW EXECUTE FUNCTION refuse_other_flush();
REVOKE EXECUTE ON FUNCTION refuse_other_flush() FROM PUBLIC;

GRANT SELECT ON flushes, flush_items TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT (id, chain_id, token_id, factory, collector, created_at) ON flushes TO bascule_worker;
GRANT INSERT (flush_id, chain_id, token_id, address, amount) ON flush_items TO bascule_worker;
GRANT UPDATE (state, wallet, nonce, ended_at) ON flushes TO bascule_submitter;
GRANT UPDATE (outcome, moved, why, decided_at) ON flush_items TO bascule_submitter;
