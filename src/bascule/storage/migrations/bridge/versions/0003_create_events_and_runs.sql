-- What we tell, what was asked of us, and when things run.

-- ───────────────────────── what we tell ─────────────────────────
CREATE TABLE outbox (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id     text NOT NULL UNIQUE,                  -- evt_…
    account_id   text NOT NULL REFERENCES accounts,
    livemode     boolean NOT NULL,
    type         text NOT NULL,
    object_id    text NOT NULL,
    object_version integer NOT NULL,
    object       jsonb NOT NULL,                        -- as the API shows it, at this moment
    previous     jsonb,
    request      jsonb,                                 -- {id, idempotency_key}
    created_at   timestamptz NOT NULL DEFAULT now(),
    sequenced    boolean NOT NULL DEFAULT false
);
CREATE INDEX outbox_to_sequence ON outbox (id) WHERE NOT sequenced;

CREATE TABLE event_sequences (
    account_id  text PRIMARY KEY REFERENCES accounts,
    last        bigint NOT NULL CHECK (last >= 0)
);
CREATE TABLE events (
    id                text PRIMARY KEY,                 -- evt_…, same as outbox.event_id
    account_id        text NOT NULL REFERENCES accounts,
    account_sequence  bigint NOT NULL CHECK (account_sequence >= 1),
    livemode          boolean NOT NULL,
    type              text NOT NULL,
    object_id         text NOT NULL,
    body              bytea NOT NULL,                   -- the exact bytes that are signed and sent
    created_at        timestamptz NOT NULL,
    UNIQUE (account_id, account_sequence)
);
CREATE INDEX events_by_object ON events (account_id, object_id);

CREATE TABLE webhook_endpoints (
    id                   text PRIMARY KEY,              -- we_…
    account_id           text NOT NULL REFERENCES accounts,
    livemode             boolean NOT NULL,
    url                  text NOT NULL,
    enabled_events       text[] NOT NULL DEFAULT '{*}',
    description          text,
    state                text NOT NULL DEFAULT 'enabled' CHECK (state IN ('enabled', 'disabled', 'deleted')),
    secret               text NOT NULL,                 -- whsec_…
    previous_secret      text,
    previous_expires_at  timestamptz,
    created_at           timestamptz NOT NULL,
    version              integer NOT NULL DEFAULT 1
);
CREATE TABLE deliveries (
    id            text PRIMARY KEY,                     -- dlv_…
    event_id      text NOT NULL REFERENCES events,
    endpoint_id   text NOT NULL REFERENCES webhook_endpoints,
    replay        integer NOT NULL DEFAULT 0,
    state         text NOT NULL DEFAULT 'scheduled' CHECK (state IN ('scheduled', 'delivered', 'exhausted')),
    attempts      integer NOT NULL DEFAULT 0,
    next_at       timestamptz NOT NULL,
    lease_until   timestamptz,
    last_status   integer,
    last_error    text,
    delivered_at  timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (event_id, endpoint_id, replay)
);
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE state = 'scheduled';
CREATE INDEX deliveries_by_endpoint ON deliveries (endpoint_id, created_at DESC, id DESC);
CREATE TABLE delivery_attempts (
    delivery_id  text NOT NULL REFERENCES deliveries,
    n            integer NOT NULL CHECK (n >= 1),
    at           timestamptz NOT NULL,
    status       integer,
    duration_ms  integer NOT NULL,
    error        text,
    response     text,                                  -- at most 1 KiB
    PRIMARY KEY (delivery_id, n)
);

-- ───────────────────────── requests, audit, schedules ─────────────────────────
CREATE TABLE idempotency_keys (
    account_id   text NOT NULL REFERENCES accounts,
    livemode     boolean NOT NULL,
    key          text NOT NULL,
    fingerprint  hash32 NOT NULL,
    status       integer NOT NULL,
    body         bytea NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, livemode, key)
);
CREATE TABLE audit_log (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    db_user     text NOT NULL DEFAULT session_user,
    actor       text NOT NULL,                          -- key_…, mem_…, process:watcher, cli
    action      text NOT NULL,
    object_id   text NOT NULL,
    details     jsonb NOT NULL DEFAULT '{}',
    request_id  text
);
CREATE TABLE runs (
    name         text NOT NULL,
    due_at       timestamptz NOT NULL,
    claimed_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz,
    PRIMARY KEY (name, due_at)
);
CREATE TABLE reconciliations (
    id            text PRIMARY KEY,                     -- rec_…
    chain_id      bigint NOT NULL REFERENCES networks,
    token_id      text NOT NULL REFERENCES tokens,
    block_number  bigint NOT NULL,
    block_hash    hash32 NOT NULL,
    on_chain      numeric(78, 0) NOT NULL,              -- sum of balanceOf at our addresses
    journal       numeric(78, 0) NOT NULL,              -- custody accounts up to this block
    unbooked      numeric(78, 0) NOT NULL,              -- final transfers not booked yet, in minus out
    residual      numeric(78, 0) NOT NULL,              -- on_chain - journal - unbooked; 0 or a break
    created_at    timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE breaks (
    id           text PRIMARY KEY,                      -- brk_…
    type         text NOT NULL,
    subject      text NOT NULL,
    state        text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'resolved')),
    evidence     jsonb NOT NULL,
    opened_at    timestamptz NOT NULL DEFAULT now(),
    resolved_at  timestamptz,
    resolution   jsonb,
    CONSTRAINT resolved_has_resolution CHECK ((state = 'resolved') = (resolution IS NOT NULL AND resolved_at IS NOT NULL))
);
CREATE UNIQUE INDEX one_open_break_per_subject ON breaks (type, subject) WHERE state = 'open';

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_log FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON delivery_attempts FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON delivery_attempts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
