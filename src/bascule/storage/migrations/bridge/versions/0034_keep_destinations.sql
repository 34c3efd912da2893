-- Addresses an account pays, by name. An entry is never edited: another address under a trusted name is a new entry.
CREATE TABLE destinations (
    id           text PRIMARY KEY,                      -- wal_…
    account_id   text NOT NULL REFERENCES accounts,
    livemode     boolean NOT NULL,
    chain_id     bigint NOT NULL REFERENCES networks,
    address      evm_address NOT NULL,
    label        text NOT NULL CHECK (label <> ''),
    created_by   text NOT NULL,                         -- key_… or mem_…
    maker        evm_address,                           -- the person whose key added it, who may not verify it
    created_at   timestamptz NOT NULL,
    archived_at  timestamptz,
    version      integer NOT NULL DEFAULT 1
);
CREATE UNIQUE INDEX one_destination_per_address ON destinations (account_id, livemode, chain_id, address)
 WHERE archived_at IS NULL;
CREATE INDEX destinations_by_account ON destinations (account_id, livemode, created_at DESC, id DESC);

-- An approver's signature over the entry (EIP-712, domain/approval.py); the first one verifies it.
CREATE TABLE destination_verifications (
    destination_id  text PRIMARY KEY REFERENCES destinations,
    approver        evm_address NOT NULL,
    digest          hash32 NOT NULL,
    signature       bytea NOT NULL CHECK (octet_length(signature) = 65),
    created_at      timestamptz NOT NULL
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON destination_verifications FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON destination_verifications FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE payouts ADD COLUMN destination_id text REFERENCES destinations;

GRANT SELECT ON destinations, destination_verifications TO bascule_api, bascule_submitter, bascule_worker;
GRANT INSERT (id, account_id, livemode, chain_id, address, label, created_by, maker, created_at)
    ON destinations TO bascule_api;
GRANT UPDATE (archived_at, version) ON destinations TO bascule_api;
GRANT INSERT ON destination_verifications TO bascule_api;
GRANT INSERT (destination_id) ON payouts TO bascule_api;
