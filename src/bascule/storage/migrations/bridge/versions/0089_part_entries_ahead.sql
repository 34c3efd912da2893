-- Without a partition no entry can be written, so the next one is made ahead: beside writers, who never wait for it. It is
-- as the others are, guards included, since a partition can be written by its own name.

-- The first transaction that has no partition for its entries.
CREATE FUNCTION ledger.entries_end() RETURNS bigint LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT max(substring(pg_get_expr(c.relpartbound, c.oid) FROM $re$TO \('?([0-9]+)'?\)$re$)::bigint)
      FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'ledger.entry'::regclass
$$;

-- How many partitions were made: 1 when the newest is half full, else 0. The sequence tells, as it counts what is under way.
CREATE FUNCTION ledger.extend_entries() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    width   constant bigint := 100000000;
    first   bigint;
    newest  bigint;
    made    text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('partitions of entries', 0));
    first := ledger.entries_end();
    SELECT s.last_value INTO STRICT newest FROM ledger.tx_id_seq AS s;
    IF newest < first - width / 2 THEN
        RETURN 0;
    END IF;
    made := format('ledger.entry_%s', first / width);
    EXECUTE format('CREATE TABLE %s (LIKE ledger.entry INCLUDING ALL)', made);
    PERFORM ledger.guard_entries(made::regclass);
    EXECUTE format('ALTER TABLE ledger.entry ATTACH PARTITION %s FOR VALUES FROM (%s) TO (%s)', made, first, first + width);
    RETURN 1;
END $$;
REVOKE EXECUTE ON FUNCTION ledger.extend_entries(), ledger.entries_end() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.extend_entries(), ledger.entries_end() TO bascule_worker;
