-- Transfers of accepted tokens that touch no address of ours, until their blocks are final for long: an address may be
-- stored after a transfer to it was read. By height within each chain, so that what is old goes a partition at a time.
CREATE TABLE seen_transfers (
    chain_id   bigint NOT NULL,
    number     bigint NOT NULL CHECK (number >= 0),
    block_hash hash32 NOT NULL,
    log_index  integer NOT NULL CHECK (log_index >= 0),
    tx_hash    hash32 NOT NULL,
    token      evm_address NOT NULL,
    src        evm_address NOT NULL,
    dst        evm_address NOT NULL,
    amount     base_units NOT NULL,
    occurrence integer NOT NULL,
    canonical  boolean NOT NULL DEFAULT true,
    PRIMARY KEY (chain_id, number, block_hash, log_index)
) PARTITION BY RANGE (chain_id, number);
CREATE INDEX seen_transfers_by_dst ON seen_transfers (dst);
GRANT SELECT, INSERT ON seen_transfers TO bascule_watcher;
GRANT UPDATE (canonical, tx_hash, token, src, dst, amount, occurrence) ON seen_transfers TO bascule_watcher;

-- Makes the partitions for some heights and one ahead, and drops those that ended more than `width` blocks below the
-- finalized one. A partition is named by its chain, its first height and its last.
CREATE FUNCTION keep_seen_transfers(of_chain bigint, lowest bigint, highest bigint, width integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    final bigint := (SELECT c.finalized_number FROM public.cursors AS c WHERE c.chain_id = of_chain);
    part  record;
    next  bigint;
BEGIN
    FOR part IN
        SELECT c.relname AS name, split_part(c.relname, '_', 5)::bigint AS last
          FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'public.seen_transfers'::regclass AND c.relname LIKE 'seen\_transfers\_' || of_chain || '\_%'
         ORDER BY 2
    LOOP
        next := part.last + 1;
        IF part.last < final - width THEN
            EXECUTE format('DROP TABLE public.%I', part.name);
        END IF;
    END LOOP;
    IF next > highest THEN
        RETURN;
    END IF;
    next := coalesce(next, least(final, lowest));
    WHILE next <= highest + width LOOP
        EXECUTE format('CREATE TABLE public.%I PARTITION OF public.seen_transfers FOR VALUES FROM (%s, %s) TO (%s, %s)',
                       format('seen_transfers_%s_%s_%s', of_chain, next, next + width - 1),
                       of_chain, next, of_chain, next + width);
        next := next + width;
    END LOOP;
END $$;
REVOKE EXECUTE ON FUNCTION keep_seen_transfers(bigint, bigint, bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION keep_seen_transfers(bigint, bigint, bigint, integer) TO bascule_watcher;

-- The transaction that stored an address: who remembers a snapshot's oldest one has all that it did not show.
ALTER TABLE deposit_addresses ADD COLUMN stored_in bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint;
CREATE INDEX deposit_addresses_by_transaction ON deposit_addresses (chain_id, stored_in);
