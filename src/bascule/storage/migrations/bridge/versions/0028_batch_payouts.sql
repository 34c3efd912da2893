-- Payouts that are asked for together and approved by one signature each person. What was signed is kept as its
-- leaves: 32 bytes an item, in order (EIP-712, domain/approval.py).
CREATE TABLE payout_batches (
    id                   text PRIMARY KEY,              -- pob_…
    account_id           text NOT NULL REFERENCES accounts,
    livemode             boolean NOT NULL,
    chain_id             bigint NOT NULL REFERENCES networks,
    vault                evm_address NOT NULL,          -- chain and vault are the domain of the signatures
    leaves               bytea,                         -- NULL until it is settled what the batch pays
    totals               jsonb,                         -- {"0x token": "base units"}, as signed
    approvals_required   integer NOT NULL CHECK (approvals_required >= 1),
    approval_expires_at  timestamptz NOT NULL,          -- of this round, as its payouts have it
    roster_version       integer NOT NULL,
    requested_by         text NOT NULL,                 -- key_… or mem_…
    created_at           timestamptz NOT NULL,
    version              integer NOT NULL DEFAULT 1,
    CONSTRAINT leaves_are_whole CHECK (octet_length(leaves) > 0 AND octet_length(leaves) % 32 = 0),
    CONSTRAINT leaves_have_totals CHECK ((leaves IS NULL) = (totals IS NULL))
);
CREATE INDEX payout_batches_by_account ON payout_batches (account_id, livemode, created_at DESC, id DESC);

CREATE TABLE payout_batch_approvals (
    batch_id    text NOT NULL REFERENCES payout_batches,
    approver    evm_address NOT NULL,
    digest      hash32 NOT NULL,
    signature   bytea NOT NULL CHECK (octet_length(signature) = 65),
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (batch_id, digest, approver)            -- a lapsed round is signed anew, under another digest
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payout_batch_approvals FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON payout_batch_approvals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

ALTER TABLE payouts ADD COLUMN batch_id text REFERENCES payout_batches,
                    ADD COLUMN batch_position integer CHECK (batch_position >= 0),  -- place of its leaf, from 0
                    ADD CONSTRAINT one_payout_per_place UNIQUE (batch_id, batch_position),
                    ADD CONSTRAINT batched_has_place CHECK ((batch_id IS NULL) = (batch_position IS NULL));

-- Whose a batch is, and what it pays once that is settled, is for ever.
CREATE FUNCTION refuse_other_batch() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF (new.id, new.account_id, new.livemode, new.chain_id, new.requested_by, new.created_at)
       IS DISTINCT FROM (old.id, old.account_id, old.livemode, old.chain_id, old.requested_by, old.created_at)
       OR (old.leaves IS NOT NULL AND (new.leaves, new.totals) IS DISTINCT FROM (old.leaves, old.totals)) THEN
        RAISE EXCEPTION 'what batch % pays is for ever', old.id USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER batch_is_for_ever BEFORE UPDATE ON payout_batches FOR EACH ROW EXECUTE FUNCTION refuse_other_batch();
REVOKE EXECUTE ON FUNCTION refuse_other_batch() FROM PUBLIC;

CREATE OR REPLACE FUNCTION refuse_other_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (new.id, new.account_id, new.livemode, new.identity, new.token_id, new.chain_id, new.destination, new.amount,
        new.batch_id, new.batch_position)
       IS DISTINCT FROM (old.id, old.account_id, old.livemode, old.identity, old.token_id, old.chain_id, old.destination,
        old.amount, old.batch_id, old.batch_position) THEN
        RAISE EXCEPTION 'whom payout % pays, and how much, is for ever', old.id USING errcode = '42501';
    END IF;
    RETURN new;
END $$;

GRANT SELECT ON payout_batches, payout_batch_approvals TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT (id, account_id, livemode, chain_id, vault, leaves, totals, approvals_required, approval_expires_at,
              roster_version, requested_by, created_at)
    ON payout_batches TO bascule_api;
GRANT UPDATE (leaves, totals, approval_expires_at, roster_version, version) ON payout_batches TO bascule_api;
GRANT INSERT (batch_id, approver, digest, signature) ON payout_batch_approvals TO bascule_api;
GRANT INSERT (batch_id, batch_position) ON payouts TO bascule_api;
