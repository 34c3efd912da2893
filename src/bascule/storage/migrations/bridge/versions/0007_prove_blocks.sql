-- How a block was proven complete, weakest first: nothing; its logs add up to its bloom; its bloom holds no Transfer;
-- its receipts add up to its root; several nodes agree. Only the last three may become final.
ALTER TABLE blocks DROP CONSTRAINT blocks_verified_check;
ALTER TABLE blocks ADD CONSTRAINT blocks_verified_check
    CHECK (verified IN ('none', 'bloom', 'absent', 'receipts', 'quorum'));
-- What was read of it: a digest of all its transfers, ours or not, held against those that its receipts prove.
ALTER TABLE blocks ADD COLUMN transfers_digest hash32;
CREATE INDEX unproven_blocks ON blocks (chain_id, number) WHERE canonical AND verified IN ('none', 'bloom');
GRANT UPDATE (transfers_digest) ON blocks TO bascule_watcher;

-- A misread transfer is corrected when its block is read again from its receipts; never once it is final.
GRANT UPDATE (tx_hash, token, src, dst, amount, occurrence) ON transfers TO bascule_watcher;
CREATE FUNCTION refuse_change_of_final_transfer() RETURNS trigger LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM public.cursors c WHERE c.chain_id = old.chain_id AND c.finalized_number >= old.block_number)
       AND (new.tx_hash, new.token, new.src, new.dst, new.amount, new.occurrence)
           IS DISTINCT FROM (old.tx_hash, old.token, old.src, old.dst, old.amount, old.occurrence) THEN
        RAISE EXCEPTION 'transfer % of block % is final', old.log_index, old.block_number USING errcode = '23514';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER final_transfers_stay BEFORE UPDATE ON transfers FOR EACH ROW
    EXECUTE FUNCTION refuse_change_of_final_transfer();
REVOKE EXECUTE ON FUNCTION refuse_change_of_final_transfer() FROM PUBLIC;
