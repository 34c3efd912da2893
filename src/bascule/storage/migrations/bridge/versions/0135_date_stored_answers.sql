-- A repeated answer is the first one's bytes, so the header beside them names the version of the first one. Those that
-- stand already, and those of an old process that still runs, are of the only version there has been.
ALTER TABLE idempotency_keys
    ADD COLUMN version text NOT NULL DEFAULT '2026-12-01';
