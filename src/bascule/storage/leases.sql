-- tables: leases

-- name: claim
-- The lease, when it is free, run out or already the holder's; a new holder gets a new epoch.
INSERT INTO leases AS held (name, holder, epoch, expires_at)
VALUES (%(name)s, %(holder)s, 1, clock_timestamp() + make_interval(secs => %(seconds)s))
ON CONFLICT (name) DO UPDATE
   SET holder = excluded.holder, expires_at = excluded.expires_at,
       epoch = held.epoch + CASE WHEN held.holder = excluded.holder THEN 0 ELSE 1 END
 WHERE held.holder = excluded.holder OR held.expires_at <= clock_timestamp()
RETURNING epoch;

-- name: lasts
-- The lease, if it is still the holder's for so long at least.
SELECT epoch FROM leases
 WHERE name = %(name)s AND holder = %(holder)s AND epoch = %(epoch)s
   AND expires_at > clock_timestamp() + make_interval(secs => %(seconds)s);

-- name: hold
-- The lease, if it is still the holder's; nobody else can take it before the transaction ends. One that ran out is
-- the holder's until somebody takes it, so that work slower than the lease is not thrown away for nobody.
SELECT epoch FROM leases
 WHERE name = %(name)s AND holder = %(holder)s AND epoch = %(epoch)s
   FOR SHARE;

-- name: release
-- Lets the lease run out now.
UPDATE leases SET expires_at = clock_timestamp()
 WHERE name = %(name)s AND holder = %(holder)s AND epoch = %(epoch)s;

-- name: every
-- All leases, for people who look.
SELECT name, holder, epoch, expires_at, expires_at > clock_timestamp() AS live FROM leases ORDER BY name;
