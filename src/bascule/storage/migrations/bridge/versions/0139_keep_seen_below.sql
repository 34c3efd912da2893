-- As before, and heights below the first partition have one: a chain may be replaced, or read again, from lower than
-- where its reading began. What is about to be written to stays, however long it has been final.
CREATE OR REPLACE FUNCTION keep_seen_transfers(of_chain bigint, lowest bigint, highest bigint, width integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    final bigint := (SELECT c.finalized_number FROM public.cursors AS c WHERE c.chain_id = of_chain);
    part  record;
    first bigint;
    next  bigint;
    made  text;
BEGIN
    FOR part IN
        SELECT c.relname AS name, split_part(c.relname, '_', 4)::bigint AS first,
               split_part(c.relname, '_', 5)::bigint AS last
          FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
         WHERE i.inhparent = 'public.seen_transfers'::regclass AND c.relname LIKE 'seen\_transfers\_' || of_chain || '\_%'
         ORDER BY 3
    LOOP
        next := part.last + 1;
        IF part.last >= lowest THEN
            first := coalesce(first, part.first);
        ELSIF part.last < final - width THEN
            BEGIN
                LOCK TABLE public.seen_transfers IN ACCESS EXCLUSIVE MODE NOWAIT;
                EXECUTE format('DROP TABLE public.%I', part.name);
            EXCEPTION WHEN lock_not_available THEN
                NULL;  -- the next block tries again
            END;
        END IF;
    END LOOP;
    IF first > lowest THEN
        made := format('seen_transfers_%s_%s_%s', of_chain, lowest, first - 1);
        EXECUTE format('CREATE TABLE public.%I (LIKE public.seen_transfers INCLUDING CONSTRAINTS INCLUDING DEFAULTS)', made);
        EXECUTE format('ALTER TABLE public.seen_transfers ATTACH PARTITION public.%I FOR VALUES FROM (%s, %s) TO (%s, %s)',
                       made, of_chain, lowest, of_chain, first);
    END IF;
    IF next > highest THEN
        RETURN;
    END IF;
    next := coalesce(next, least(final, lowest));
    WHILE next <= highest + width LOOP
        made := format('seen_transfers_%s_%s_%s', of_chain, next, next + width - 1);
        EXECUTE format('CREATE TABLE public.%I (LIKE public.seen_transfers INCLUDING CONSTRAINTS INCLUDING DEFAULTS)', made);
        EXECUTE format('ALTER TABLE public.seen_transfers ATTACH PARTITION public.%I FOR VALUES FROM (%s, %s) TO (%s, %s)',
                       made, of_chain, next, of_chain, next + width);
        next := next + width;
    END LOOP;
END $$;
