-- Events are counted per account and mode: who has a key of one mode sees no holes where the other mode's events are.
-- Numbers up to whole_after were given to both modes from one counter.
ALTER TABLE event_sequences ADD livemode boolean NOT NULL DEFAULT false,
    ADD whole_after bigint NOT NULL DEFAULT 0 CHECK (whole_after BETWEEN 0 AND last);
UPDATE event_sequences SET whole_after = last;
ALTER TABLE event_sequences DROP CONSTRAINT event_sequences_pkey, ADD PRIMARY KEY (account_id, livemode),
    ALTER livemode DROP DEFAULT;
INSERT INTO event_sequences (account_id, livemode, last, whole_after) SELECT account_id, true, last, last FROM event_sequences;
ALTER TABLE events DROP CONSTRAINT events_account_id_account_sequence_key, ADD UNIQUE (account_id, livemode, account_sequence);

-- failing_since: its first attempt that failed after the last that did not; nothing it took since.
ALTER TABLE webhook_endpoints ADD failing_since timestamptz,
    ADD disabled_reason text CHECK (disabled_reason IN ('requested', 'gone', 'failing')),
    ADD bascule_signature boolean NOT NULL DEFAULT false;
UPDATE webhook_endpoints SET disabled_reason = 'requested' WHERE state = 'disabled';
ALTER TABLE webhook_endpoints ADD CONSTRAINT disabled_has_reason CHECK (state <> 'disabled' OR disabled_reason IS NOT NULL);
CREATE INDEX failing_endpoints ON webhook_endpoints (failing_since) WHERE failing_since IS NOT NULL;
GRANT UPDATE (failing_since, disabled_reason) ON webhook_endpoints TO bascule_worker;

-- What is due is found endpoint by endpoint, so that one endpoint's backlog is not read to find another's delivery.
CREATE INDEX deliveries_due_of ON deliveries (endpoint_id, next_at, id) WHERE state = 'scheduled';
DROP INDEX deliveries_due;
GRANT UPDATE (next_at) ON deliveries TO bascule_api;  -- a replay sends now what waits
