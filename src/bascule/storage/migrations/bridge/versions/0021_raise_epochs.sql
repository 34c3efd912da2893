-- Which server this is, and how often its history forked: a dump restored elsewhere changes the first, recovery to a
-- point in time and the promotion of a standby the second. A copy of the files changes neither.
CREATE FUNCTION database_identity() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.system_identifier || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8) FROM pg_control_system() AS s
$$;
REVOKE EXECUTE ON FUNCTION database_identity() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION database_identity() TO bascule_api, bascule_watcher;

-- Epochs of deposit addresses. After a restore the next one begins, so that no address shown before is shown again.
CREATE TABLE address_epochs (
    epoch       bigint PRIMARY KEY CHECK (epoch BETWEEN 0 AND 4294967295),
    known       bigint NOT NULL,                        -- the newest epoch that the restored database knew
    first_n     bigint NOT NULL CHECK (first_n >= 0),   -- the first number that may have been issued and lost
    gap         bigint NOT NULL CHECK (gap >= 0),       -- how many from there on are watched in the epochs before
    identity    text NOT NULL,                          -- of the server where it began
    began_at    timestamptz NOT NULL DEFAULT now(),
    checked_at  timestamptz                             -- null: not all of that is watched yet, nothing may be issued
);
INSERT INTO address_epochs (epoch, known, first_n, gap, identity, checked_at)
SELECT coalesce(max(epoch), 0), coalesce(max(epoch), 0), 0, 0, database_identity(), now() FROM deposit_addresses;
GRANT SELECT ON address_epochs TO bascule_api, bascule_watcher;

-- An address without an intent was perhaps shown by a database that is lost: it is watched like the others.
ALTER TABLE deposit_addresses ALTER COLUMN intent_id DROP NOT NULL;
DROP INDEX deposit_addresses_by_intent;
CREATE INDEX deposit_addresses_by_intent ON deposit_addresses (intent_id) WHERE intent_id IS NOT NULL;
