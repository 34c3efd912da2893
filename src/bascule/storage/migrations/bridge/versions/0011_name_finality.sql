-- Settings name a chain's policy; its watcher, which goes by it, writes it where everybody reads it.
GRANT UPDATE (finality_kind, finality_depth) ON networks TO bascule_watcher;

-- What is final never falls, and is never another block at the same height.
CREATE OR REPLACE FUNCTION refuse_finality_going_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.finalized_number < old.finalized_number THEN
        RAISE EXCEPTION 'finalized_number of chain % may not fall from % to %',
            old.chain_id, old.finalized_number, new.finalized_number USING errcode = '23514';
    ELSIF new.finalized_number = old.finalized_number AND new.finalized_hash <> old.finalized_hash THEN
        RAISE EXCEPTION 'block % of chain % is final and may not become another',
            old.finalized_number, old.chain_id USING errcode = '23514';
    END IF;
    RETURN new;
END $$;
