-- Who pays whom, as the travel rule asks: of a payment intent, a payout or a refund. What was said before stays.
CREATE TABLE travel_rules (
    object_id    text NOT NULL,                           -- pi_…, po_… or re_…
    version      integer NOT NULL CHECK (version >= 1),
    account_id   text NOT NULL REFERENCES accounts,
    livemode     boolean NOT NULL,
    originator   jsonb,
    beneficiary  jsonb,
    recorded_by  text NOT NULL,                           -- key_…
    created_at   timestamptz NOT NULL,
    PRIMARY KEY (object_id, version),
    CHECK (num_nonnulls(originator, beneficiary) > 0)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON travel_rules FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON travel_rules FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- Names and addresses of people: the API keeps and shows them, the worker exports them, nobody else reads them.
GRANT SELECT, INSERT ON travel_rules TO bascule_api;
GRANT SELECT ON travel_rules TO bascule_worker;
