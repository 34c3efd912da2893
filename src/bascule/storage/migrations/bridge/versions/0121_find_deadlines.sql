-- When to look at an intent next, because time may end it: a row for each intent, from the transaction that makes it.
-- Emptied by who looks, not by what happens to the intent: a payment writes nothing here.
CREATE TABLE deadlines (
    intent_id  text PRIMARY KEY REFERENCES payment_intents,
    due_at     timestamptz                             -- null once the intent has ended
);
INSERT INTO deadlines (intent_id, due_at)
SELECT id, CASE WHEN state IN ('succeeded', 'canceled') THEN NULL
                WHEN 'expired' = ANY (flags) THEN closes_at ELSE expires_at END
  FROM payment_intents;
CREATE INDEX deadlines_due ON deadlines (due_at) WHERE due_at IS NOT NULL;
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON deadlines FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Intents that were covered and may succeed before their money is final; covered: they are, and wait for it.
CREATE TABLE early_intents (
    intent_id  text PRIMARY KEY REFERENCES payment_intents,
    covered    boolean NOT NULL
);
INSERT INTO early_intents (intent_id, covered)
SELECT id, true FROM payment_intents WHERE state = 'processing' AND finality <> 'finalized';
CREATE INDEX early_intents_covered ON early_intents (intent_id) WHERE covered;
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON early_intents FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- With these no index of intents knows anything that payments change, and each page has room: a changed row stays on its
-- page, and no index is written.
DROP INDEX payment_intents_to_close, payment_intents_to_expire, payment_intents_to_settle_early;
ALTER TABLE payment_intents SET (fillfactor = 80);

GRANT SELECT ON deadlines, early_intents TO bascule_api, bascule_watcher, bascule_worker, bascule_auditor;
GRANT INSERT ON deadlines TO bascule_api;
GRANT UPDATE (due_at) ON deadlines TO bascule_api, bascule_worker;
GRANT INSERT, UPDATE (covered) ON early_intents TO bascule_api, bascule_watcher, bascule_worker;
