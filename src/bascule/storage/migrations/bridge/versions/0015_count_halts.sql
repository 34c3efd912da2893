-- A halt is lifted by the hash that was in dispute, or by a person; each one is told once.
ALTER TABLE cursors
    ADD COLUMN disputed_number  bigint,                 -- the height whose hash is in dispute; null: no hash settles it
    ADD COLUMN halts            bigint NOT NULL DEFAULT 0,
    ADD CONSTRAINT disputed_while_halted CHECK (disputed_number IS NULL OR halted_reason IS NOT NULL);
