-- tables:
-- Of the server itself.

-- name: claim
-- Whether nobody else rebuilds these books now; whoever does has said so until its connection ends.
SELECT pg_try_advisory_lock(hashtextextended('ledger rebuild', 0)) AS claimed

-- name: mark
-- What is said of a database, if it is there.
SELECT shobj_description(d.oid, 'pg_database') AS mark FROM pg_database AS d WHERE d.datname = %(name)s
