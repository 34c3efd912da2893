-- tables: screening_lists, screening_entries

-- name: serialize
-- One import at a time, until the transaction ends.
SELECT pg_advisory_xact_lock(hashtextextended('screening lists', 0))

-- name: look
-- No version comes into force until the transaction ends; taken before deposits and payouts are.
SELECT pg_advisory_xact_lock_shared(hashtextextended('screening lists in force', 0))

-- name: come_into_force
-- Nobody who looked at the lists before is under way, and whoever looks now waits for the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('screening lists in force', 0))

-- name: newest
-- The version of a list that is in force.
SELECT * FROM screening_lists WHERE name = %(name)s ORDER BY version DESC LIMIT 1

-- name: several
-- Versions of lists by their ids.
SELECT * FROM screening_lists WHERE id = ANY(%(ids)s::text[])

-- name: every
-- All versions of all lists, the newest first.
SELECT * FROM screening_lists ORDER BY name, version DESC

-- name: entries
-- Who stands on a version of a list.
SELECT address, reference FROM screening_entries
 WHERE list = %(name)s AND since <= %(version)s AND (until IS NULL OR until > %(version)s)

-- name: insert
-- A new version.
INSERT INTO screening_lists (id, name, version, digest, entries, added, removed, imported_by, created_at)
VALUES (%(name)s || '.' || %(version)s::integer, %(name)s, %(version)s, %(digest)s, %(entries)s, %(added)s, %(removed)s,
        %(imported_by)s, %(created_at)s)
RETURNING *

-- name: end_entries
-- Addresses that are off the list from a version on.
UPDATE screening_entries SET until = %(version)s
 WHERE list = %(name)s AND until IS NULL AND address = ANY(%(addresses)s::bytea[])

-- name: insert_entries
-- Addresses that are on the list from a version on.
INSERT INTO screening_entries (list, address, reference, since)
SELECT %(name)s, n.address, n.reference, %(version)s
  FROM unnest(%(addresses)s::bytea[], %(references)s::text[]) AS n (address, reference)

-- name: to_rescreen
-- Whether there is a version that what waits was not held against yet.
SELECT EXISTS (SELECT FROM screening_lists WHERE rescreened_at IS NULL) AS due

-- name: rescreened
-- What waits was held against all versions there are.
UPDATE screening_lists SET rescreened_at = %(at)s WHERE rescreened_at IS NULL
