-- Approvers' word for many payouts (EIP-712, domain/mandate.py), in the domain of the vault that pays them. The signer
-- counts them by itself; what stands here is what the bridge asks it with.
CREATE TABLE mandates (
    id                  text PRIMARY KEY,               -- mnd_…
    account_id          text NOT NULL REFERENCES accounts,
    livemode            boolean NOT NULL,
    kind                text NOT NULL CHECK (kind IN ('payout', 'refund', 'settlement')),
    chain_id            bigint NOT NULL REFERENCES networks,
    vault               evm_address NOT NULL,
    token_id            text NOT NULL REFERENCES tokens,
    destination         text NOT NULL CHECK (destination ~ '^(0x[0-9a-fA-F]{40}|claimant)$'),
    max_per_item        base_units NOT NULL CHECK (max_per_item > 0),
    max_per_day         base_units NOT NULL,
    expires_at          timestamptz NOT NULL CHECK (isfinite(expires_at)),
    approvals_required  integer NOT NULL CHECK (approvals_required >= 1),
    description         text,
    requested_by        text NOT NULL,                  -- key_…
    maker               evm_address,                    -- the person whose key asked for it, who may not sign it
    created_at          timestamptz NOT NULL,
    state               text NOT NULL DEFAULT 'requires_action'
                        CHECK (state IN ('requires_action', 'active', 'revoked', 'expired')),
    version             integer NOT NULL DEFAULT 1,
    CONSTRAINT an_item_fits_a_day CHECK (max_per_item::numeric <= max_per_day::numeric)
);
CREATE INDEX mandates_by_account ON mandates (account_id, livemode, created_at DESC, id DESC);
CREATE INDEX mandates_to_expire ON mandates (expires_at) WHERE state IN ('requires_action', 'active');

CREATE TABLE mandate_approvals (
    mandate_id  text NOT NULL REFERENCES mandates,
    approver    evm_address NOT NULL,
    signature   bytea NOT NULL CHECK (octet_length(signature) = 65),
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (mandate_id, approver)
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON mandate_approvals FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON mandate_approvals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The mandate a payout goes out under now; without one it asks for approvals.
ALTER TABLE payouts ADD COLUMN mandate_id text REFERENCES mandates;
CREATE INDEX payouts_by_mandate ON payouts (mandate_id, created_at) WHERE mandate_id IS NOT NULL;

GRANT SELECT ON mandates, mandate_approvals TO bascule_api, bascule_submitter, bascule_worker;
GRANT INSERT (id, account_id, livemode, kind, chain_id, vault, token_id, destination, max_per_item, max_per_day, expires_at,
              approvals_required, description, requested_by, maker, created_at) ON mandates TO bascule_api;
GRANT INSERT (mandate_id, approver, signature) ON mandate_approvals TO bascule_api;
GRANT UPDATE (state, version) ON mandates TO bascule_api, bascule_worker;
GRANT INSERT (mandate_id) ON payouts TO bascule_api;
