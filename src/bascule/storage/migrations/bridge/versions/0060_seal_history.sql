-- Seals of what was written (domain/seal.py): each builds upon the one before it, so there is one history of them.
CREATE TABLE seals (
    number     bigint PRIMARY KEY CHECK (number >= 1),
    hash       text NOT NULL UNIQUE CHECK (hash ~ '^[0-9a-f]{64}$'),
    previous   text UNIQUE REFERENCES seals (hash),     -- null: the first
    sealed_at  text NOT NULL,                           -- as it was hashed
    root       text NOT NULL CHECK (root ~ '^[0-9a-f]{64}$'),
    rows       jsonb NOT NULL CHECK (jsonb_array_length(rows) > 0),     -- [stream, id, leaf] in order
    ledger     bigint NOT NULL,                         -- the newest ledger transaction that is sealed
    audit      bigint NOT NULL,                         -- the newest line of audit that is sealed
    CONSTRAINT first_follows_nothing CHECK ((number = 1) = (previous IS NULL))
);
CREATE FUNCTION refuse_seal_out_of_order() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF new.number > 1 AND NOT EXISTS (SELECT FROM public.seals AS s WHERE s.number = new.number - 1 AND s.hash = new.previous
                                         AND s.ledger <= new.ledger AND s.audit <= new.audit) THEN
        RAISE EXCEPTION 'seal % does not follow the one before it', new.number USING errcode = '23514';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER follows_the_one_before BEFORE INSERT ON seals FOR EACH ROW EXECUTE FUNCTION refuse_seal_out_of_order();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON seals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON seals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT ON seals TO bascule_api, bascule_worker;
GRANT INSERT ON seals TO bascule_worker;

-- Up to which row of a stream nothing is under way any more: numbers are taken before they are committed, so whoever
-- writes is waited for, and nobody starts to write before the caller's transaction is over. One stream a transaction: who
-- holds one and waits for the other would stand across those who write both.
CREATE FUNCTION settled_history(stream text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF stream = 'ledger' THEN
        LOCK TABLE ledger.tx IN SHARE MODE;
        RETURN (SELECT coalesce(max(t.id), 0) FROM ledger.tx AS t);
    END IF;
    LOCK TABLE audit_log IN SHARE MODE;
    RETURN (SELECT coalesce(max(a.id), 0) FROM audit_log AS a);
END $$;
REVOKE EXECUTE ON FUNCTION settled_history(text), refuse_seal_out_of_order() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION settled_history(text) TO bascule_worker;
