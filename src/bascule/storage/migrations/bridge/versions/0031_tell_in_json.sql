-- Documents are written once, read once, whole, and never looked into: as text they cost half of what they cost taken apart.
ALTER TABLE outbox ALTER object TYPE json, ALTER previous TYPE json, ALTER request TYPE json;

-- Tells listening sequencers, when the transaction commits, that there is work; polling is the truth.
CREATE FUNCTION wake_sequencer() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('bascule_outbox', '');
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION wake_sequencer() FROM PUBLIC;
CREATE TRIGGER wakes_the_sequencer AFTER INSERT ON outbox FOR EACH STATEMENT EXECUTE FUNCTION wake_sequencer();
