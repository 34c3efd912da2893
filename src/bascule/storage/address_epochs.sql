-- tables: address_epochs

-- name: current
-- The epoch that addresses are of now, whether the database is still the one where it began, and how far its log is
-- safe on disk.
WITH now AS MATERIALIZED (
    SELECT database_identity() AS server, (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint AS flushed
)
SELECT e.epoch, e.known, e.first_n, e.gap, e.checked_at IS NOT NULL AS checked, e.identity = n.server AS same_server,
       n.server, n.flushed
  FROM address_epochs e CROSS JOIN now n ORDER BY e.epoch DESC LIMIT 1;

-- name: lock
-- One restore check at a time.
SELECT epoch FROM address_epochs ORDER BY epoch FOR UPDATE;

-- name: next_number
-- The number that the next address will have.
SELECT last_value + is_called::int AS n FROM deposit_address_number;

-- name: newest_address
-- The address made last, by which a seed is known again.
SELECT chain_id, address, factory, epoch, n FROM deposit_addresses
 WHERE intent_id IS NOT NULL ORDER BY epoch DESC, n DESC LIMIT 1;

-- name: begin
-- A new epoch, closed until everything of the epochs before is watched.
INSERT INTO address_epochs (epoch, known, first_n, gap, identity)
VALUES (%(epoch)s, %(known)s, %(first_n)s, %(gap)s, database_identity());

-- name: finish
-- All of it is watched: addresses of this epoch may be issued.
UPDATE address_epochs SET checked_at = now() WHERE epoch = %(epoch)s AND checked_at IS NULL;

-- name: adopt
-- The server has another identity and nothing was lost: the epoch goes on.
UPDATE address_epochs SET identity = database_identity()
 WHERE epoch = (SELECT max(epoch) FROM address_epochs) AND checked_at IS NOT NULL;

-- name: restored
-- When the check after the last restore ended, null while none has; no row where nothing shows that one happened.
SELECT CASE WHEN e.identity = database_identity() THEN e.checked_at END AS checked_at FROM address_epochs AS e
 WHERE e.epoch = (SELECT max(epoch) FROM address_epochs)
   AND (e.known < e.epoch OR e.checked_at IS NULL OR e.identity <> database_identity());
