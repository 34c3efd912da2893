-- Each reorganisation is told once, with a version of the network that grows.
ALTER TABLE cursors
    ADD COLUMN reorgs bigint NOT NULL DEFAULT 0;
