-- What is never settled may be a share of what is there: the greater of the two stays.
ALTER TABLE balance_settings ADD COLUMN reserve_bps integer NOT NULL DEFAULT 0 CHECK (reserve_bps BETWEEN 0 AND 10000);
GRANT INSERT (reserve_bps), UPDATE (reserve_bps) ON balance_settings TO bascule_api;
