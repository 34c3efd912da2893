-- tables:
-- Made by functions of the migration alone; here they are only called.

-- name: extend_entries
-- Makes the next partition of entries when it is time.
SELECT ledger.extend_entries() AS made
