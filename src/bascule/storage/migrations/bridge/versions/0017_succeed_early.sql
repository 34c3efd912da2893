-- What the operator lets a merchant's intents do before their money is final; the newest version rules.
CREATE TABLE early_policies (
    account_id  text NOT NULL REFERENCES accounts,
    version     integer NOT NULL CHECK (version >= 1),
    most        numeric(78, 0) NOT NULL CHECK (most >= 0),           -- 10^-18 of any currency; 0: nothing is early
    up_to       numeric(78, 0)[] NOT NULL,
    levels      text[] NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, version),
    CONSTRAINT each_tier_has_its_level CHECK (cardinality(up_to) = cardinality(levels))
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON early_policies FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON early_policies FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT ON early_policies TO bascule_api;

-- The level at which an intent succeeds, and the one at which it did. Nothing but that depends on it: the books are
-- written when money is final.
ALTER TABLE payment_intents
    ADD COLUMN finality text NOT NULL DEFAULT 'finalized' CHECK (finality ~ '^(finalized|safe|depth:(0|[1-9][0-9]{0,3}))$'),
    ADD COLUMN succeeded_by text;
UPDATE payment_intents SET succeeded_by = 'finalized' WHERE state = 'succeeded';
CREATE INDEX payment_intents_to_settle_early ON payment_intents (id) WHERE state = 'processing' AND finality <> 'finalized';
GRANT INSERT (finality) ON payment_intents TO bascule_api;
GRANT UPDATE (succeeded_by) ON payment_intents TO bascule_watcher;

-- The level at which a deposit counted for its intent before it was final; gone when its block is.
ALTER TABLE deposits ADD COLUMN early text;
