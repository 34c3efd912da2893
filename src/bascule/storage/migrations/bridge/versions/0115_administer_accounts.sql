-- People of an account. Test and live are apart: a test key says nothing about who may touch real money.
CREATE TABLE members (
    id          text PRIMARY KEY,                       -- mem_…
    account_id  text NOT NULL REFERENCES accounts,
    livemode    boolean NOT NULL,
    email       text NOT NULL,
    name        text NOT NULL DEFAULT '',
    roles       text[] NOT NULL CHECK (cardinality(roles) > 0),
    approver    evm_address,                            -- what they approve with; what they ask for, they may not
    created_at  timestamptz NOT NULL,
    removed_at  timestamptz,
    version     integer NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX one_member_per_address ON members (account_id, livemode, lower(email)) WHERE removed_at IS NULL;
CREATE INDEX members_by_account ON members (account_id, livemode, created_at, id);
GRANT SELECT, INSERT ON members TO bascule_api;
GRANT UPDATE (name, roles, removed_at, version) ON members TO bascule_api;

-- Where a key may be used from, whose it is, and when it last was used; the last is written once a minute at most.
ALTER TABLE api_keys ADD COLUMN allowed_ips cidr[] NOT NULL DEFAULT '{}',
    ADD COLUMN member_id text REFERENCES members,
    ADD COLUMN last_used_at timestamptz;
GRANT UPDATE (last_used_at) ON api_keys TO bascule_api;
CREATE INDEX api_keys_by_account ON api_keys (account_id, livemode, created_at, id);
CREATE INDEX api_keys_by_member ON api_keys (member_id) WHERE member_id IS NOT NULL;

-- What an account's requests mean when they name no version; test and live move on apart.
ALTER TABLE accounts ADD COLUMN test_version text NOT NULL DEFAULT '2026-12-01',
    ADD COLUMN live_version text NOT NULL DEFAULT '2026-12-01';
GRANT UPDATE (test_version, live_version) ON accounts TO bascule_api;

-- What an account's own keys did.
CREATE INDEX audit_log_by_actor ON audit_log (actor, at, id);
