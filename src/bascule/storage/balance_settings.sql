-- tables: balance_settings

-- name: get
-- What an account says of an asset.
SELECT * FROM balance_settings WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND token_id = %(token_id)s

-- name: lock
-- The same, and nobody settles or changes it until the transaction ends.
SELECT * FROM balance_settings
 WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND token_id = %(token_id)s
   FOR UPDATE

-- name: of_account
-- Everything an account says of its mode.
SELECT * FROM balance_settings WHERE account_id = %(account_id)s AND livemode = %(livemode)s ORDER BY token_id

-- name: put
-- What an account says of an asset from now on.
INSERT INTO balance_settings (account_id, livemode, token_id, schedule, weekday, hour, threshold, reserve, reserve_bps, minimum,
                              destination, destination_id, destination_from, updated_by, updated_at, next_run_at)
VALUES (%(account_id)s, %(livemode)s, %(token_id)s, %(schedule)s, %(weekday)s, %(hour)s, %(threshold)s, %(reserve)s,
        %(reserve_bps)s, %(minimum)s, %(destination)s, %(destination_id)s, %(destination_from)s, %(updated_by)s, %(updated_at)s, %(next_run_at)s)
ON CONFLICT (account_id, livemode, token_id) DO UPDATE
   SET schedule = excluded.schedule, weekday = excluded.weekday, hour = excluded.hour, threshold = excluded.threshold,
       reserve = excluded.reserve, reserve_bps = excluded.reserve_bps, minimum = excluded.minimum, destination = excluded.destination,
       destination_id = excluded.destination_id, destination_from = excluded.destination_from,
       updated_by = excluded.updated_by, updated_at = excluded.updated_at, next_run_at = excluded.next_run_at,
       version = balance_settings.version + 1
RETURNING *

-- name: due
-- Settings whose time has come, the longest overdue first.
SELECT account_id, livemode, token_id FROM balance_settings WHERE next_run_at <= %(now)s
 ORDER BY next_run_at, account_id, livemode, token_id LIMIT %(limit)s

-- name: ran
-- A due time is over: what came of it, and the next one.
UPDATE balance_settings SET next_run_at = %(next_run_at)s, last_run_at = %(at)s, last_outcome = %(outcome)s
 WHERE account_id = %(account_id)s AND livemode = %(livemode)s AND token_id = %(token_id)s
