-- A token that was taken out of the configuration is not offered to new intents; what comes of it is still counted.
ALTER TABLE tokens ADD COLUMN offered boolean NOT NULL DEFAULT true;
