-- A dump that is put back makes its tables anew, on the same server too, and a server never gives a table's number twice
-- in a row: so the number of the table of epochs tells that the epoch began in another one. Where something tells so
-- already, it goes on to.
UPDATE address_epochs SET identity = identity || '/' || 'address_epochs'::regclass::oid
 WHERE identity = database_identity();
CREATE OR REPLACE FUNCTION database_identity() RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
    SELECT s.system_identifier || '/' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8)
           || '/' || 'public.address_epochs'::regclass::oid
      FROM pg_control_system() AS s
$$;
