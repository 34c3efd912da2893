-- Money in and money out: what was asked for, what arrived, what was signed and sent.

-- ───────────────────────── money in ─────────────────────────
CREATE SEQUENCE deposit_address_number AS bigint MINVALUE 0 START 0;

CREATE TABLE payment_intents (
    id                      text PRIMARY KEY,           -- pi_…
    account_id              text NOT NULL REFERENCES accounts,
    livemode                boolean NOT NULL,
    currency                text NOT NULL,
    due                     numeric(78, 0) NOT NULL CHECK (due > 0),            -- 10^-18 of the currency
    received                numeric(78, 0) NOT NULL DEFAULT 0 CHECK (received >= 0),   -- applied, canonical
    confirmed               numeric(78, 0) NOT NULL DEFAULT 0 CHECK (confirmed >= 0),  -- applied, finalized
    state                   text NOT NULL DEFAULT 'requires_action'
                            CHECK (state IN ('requires_action', 'processing', 'succeeded', 'canceled')),
    flags                   text[] NOT NULL DEFAULT '{}',
    accepted_tokens         text[] NOT NULL CHECK (cardinality(accepted_tokens) >= 1), -- tok_…
    underpay_tolerance_bps  integer NOT NULL DEFAULT 0 CHECK (underpay_tolerance_bps BETWEEN 0 AND 10000),
    underpay_tolerance_abs  numeric(78, 0) NOT NULL DEFAULT 0 CHECK (underpay_tolerance_abs >= 0),
    late_policy             text NOT NULL DEFAULT 'accept' CHECK (late_policy IN ('accept', 'hold')),
    overpay_policy          text NOT NULL DEFAULT 'hold' CHECK (overpay_policy IN ('hold', 'keep')),
    expires_at              timestamptz NOT NULL,
    closes_at               timestamptz NOT NULL,
    client_reference_id     text,
    description             text,
    metadata                jsonb NOT NULL DEFAULT '{}',
    client_secret           text NOT NULL,
    cancellation_reason     text,
    created_at              timestamptz NOT NULL,
    canceled_at             timestamptz,
    succeeded_at            timestamptz,
    version                 integer NOT NULL DEFAULT 1, -- grows with every change
    CHECK (closes_at >= expires_at),
    CONSTRAINT confirmed_money_was_received CHECK (confirmed <= received),
    CONSTRAINT canceled_has_time CHECK ((state = 'canceled') = (canceled_at IS NOT NULL)),
    CONSTRAINT succeeded_has_time CHECK ((state = 'succeeded') = (succeeded_at IS NOT NULL))
);
CREATE INDEX payment_intents_by_account ON payment_intents (account_id, livemode, created_at DESC, id DESC);
CREATE INDEX payment_intents_to_close ON payment_intents (closes_at) WHERE state = 'requires_action';
CREATE INDEX payment_intents_to_expire ON payment_intents (expires_at)
    WHERE state = 'requires_action' AND NOT 'expired' = ANY (flags);

CREATE TABLE deposit_addresses (
    chain_id    bigint NOT NULL REFERENCES networks,
    address     evm_address NOT NULL,
    intent_id   text NOT NULL REFERENCES payment_intents,
    account_id  text NOT NULL REFERENCES accounts,
    factory     evm_address NOT NULL,
    epoch       bigint NOT NULL CHECK (epoch BETWEEN 0 AND 4294967295),
    n           bigint NOT NULL CHECK (n >= 0),
    PRIMARY KEY (chain_id, address),
    UNIQUE (chain_id, factory, epoch, n)
);
CREATE INDEX deposit_addresses_by_intent ON deposit_addresses (intent_id);

CREATE TABLE deposits (
    id            text PRIMARY KEY,                     -- dep_…
    account_id    text NOT NULL REFERENCES accounts,    -- owner of the address; the operator for ours
    livemode      boolean NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('payment', 'capital', 'unsolicited')),
    chain_id      bigint NOT NULL REFERENCES networks,
    tx_hash       hash32 NOT NULL,
    token         evm_address NOT NULL,
    src           evm_address NOT NULL,
    dst           evm_address NOT NULL,
    occurrence    integer NOT NULL,
    token_id      text REFERENCES tokens,               -- null: a token we do not know
    amount        base_units NOT NULL,
    block_hash    hash32 NOT NULL,
    block_number  bigint NOT NULL,
    block_time    timestamptz NOT NULL,
    log_index     integer NOT NULL,
    state         text NOT NULL DEFAULT 'detected' CHECK (state IN ('detected', 'orphaned', 'finalized')),
    created_at    timestamptz NOT NULL,
    finalized_at  timestamptz,
    version       integer NOT NULL DEFAULT 1,
    CONSTRAINT one_deposit_per_payment UNIQUE (chain_id, tx_hash, token, dst, occurrence),
    CONSTRAINT finalized_has_time CHECK ((state = 'finalized') = (finalized_at IS NOT NULL)),
    FOREIGN KEY (chain_id, block_hash, log_index) REFERENCES transfers (chain_id, block_hash, log_index)
);
CREATE INDEX deposits_by_account ON deposits (account_id, livemode, created_at DESC, id DESC);
CREATE INDEX deposits_to_finalize ON deposits (chain_id, block_number) WHERE state = 'detected';
CREATE INDEX deposits_by_address ON deposits (chain_id, dst);
CREATE INDEX deposits_by_block ON deposits (chain_id, block_hash);

-- What a deposit of kind payment or unsolicited counts for.
CREATE TABLE applications (
    deposit_id      text PRIMARY KEY REFERENCES deposits,
    intent_id       text REFERENCES payment_intents,
    state           text NOT NULL CHECK (state IN ('unapplied', 'applied', 'refunded', 'accepted')),
    reason          text CHECK (reason IN ('orphaned', 'no_intent', 'intent_closed', 'already_paid', 'wrong_token',
                        'wrong_chain', 'unsupported_token', 'dust', 'below_minimum', 'held', 'unsolicited', 'test_mode')),
    amount_applied  base_units NOT NULL DEFAULT 0,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT unapplied_has_reason CHECK ((state = 'unapplied') = (reason IS NOT NULL)),
    CONSTRAINT applied_has_intent CHECK (state <> 'applied' OR intent_id IS NOT NULL)
);
CREATE INDEX applications_by_intent ON applications (intent_id);

-- ───────────────────────── money out ─────────────────────────
CREATE TABLE wallets (
    chain_id    bigint NOT NULL REFERENCES networks,
    address     evm_address NOT NULL,
    name        text NOT NULL,
    next_nonce  bigint NOT NULL DEFAULT 0 CHECK (next_nonce >= 0),
    PRIMARY KEY (chain_id, address),
    UNIQUE (chain_id, name)
);
CREATE TABLE lanes (
    chain_id       bigint NOT NULL REFERENCES networks,
    lane           bigint NOT NULL CHECK (lane BETWEEN 0 AND 4294967295),
    name           text NOT NULL,
    vault          evm_address NOT NULL,
    wallet         evm_address NOT NULL,
    next_sequence  numeric(78, 0) NOT NULL DEFAULT 0 CHECK (next_sequence >= 0),
    head           hash32 NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),  -- as of the last final batch
    state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'retired')),
    PRIMARY KEY (chain_id, vault, lane),
    UNIQUE (chain_id, name),
    FOREIGN KEY (chain_id, wallet) REFERENCES wallets
);

CREATE TABLE payouts (
    id                   text PRIMARY KEY,              -- po_…
    account_id           text NOT NULL REFERENCES accounts,
    livemode             boolean NOT NULL,
    identity             text NOT NULL,                 -- client_reference_id, else the idempotency key; for ever
    token_id             text NOT NULL REFERENCES tokens,
    chain_id             bigint NOT NULL REFERENCES networks,
    vault                evm_address NOT NULL,
    destination          evm_address NOT NULL,
    amount               base_units NOT NULL CHECK (amount > 0),
    state                text NOT NULL CHECK (state IN ('requires_action', 'pending', 'in_transit', 'paid', 'failed', 'canceled')),
    failure_code         text,
    stuck                boolean NOT NULL DEFAULT false,
    waits_for            text,                          -- why a pending payout is not taken yet, if there is a reason
    approvals_required   integer NOT NULL CHECK (approvals_required >= 1),
    approval_expires_at  timestamptz NOT NULL,
    roster_version       integer NOT NULL,
    policy_decision      jsonb NOT NULL,
    holds                integer NOT NULL DEFAULT 0,    -- how often money was put on hold for it
    vault_id             numeric(78, 0),
    client_reference_id  text,
    description          text,
    metadata             jsonb NOT NULL DEFAULT '{}',
    requested_by         text NOT NULL,                 -- key_… or mem_…
    created_at           timestamptz NOT NULL,
    paid_at              timestamptz,
    paid_block_hash      hash32,
    paid_log_index       integer,
    version              integer NOT NULL DEFAULT 1,
    CONSTRAINT one_payout_per_identity UNIQUE (account_id, livemode, identity),
    CONSTRAINT one_payout_per_vault_id UNIQUE (chain_id, vault, vault_id),
    CONSTRAINT paid_has_its_transfer CHECK ((state = 'paid') = (paid_at IS NOT NULL AND paid_block_hash IS NOT NULL AND paid_log_index IS NOT NULL)),
    CONSTRAINT failed_has_code CHECK ((state = 'failed') = (failure_code IS NOT NULL)),
    CONSTRAINT in_transit_has_vault_id CHECK (state NOT IN ('in_transit', 'paid') OR vault_id IS NOT NULL)
);
CREATE INDEX payouts_by_account ON payouts (account_id, livemode, created_at DESC, id DESC);
CREATE INDEX payouts_to_reserve ON payouts (chain_id, vault, token_id, created_at) WHERE state = 'pending';

CREATE TABLE payout_approvals (
    payout_id   text NOT NULL REFERENCES payouts,
    approver    evm_address NOT NULL,
    digest      hash32 NOT NULL,
    signature   bytea NOT NULL CHECK (octet_length(signature) = 65),
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (payout_id, digest, approver)           -- a lapsed round is signed anew, under another digest
);

-- A slot is one nonce of one wallet, with one content for ever.
CREATE TABLE slots (
    chain_id       bigint NOT NULL,
    wallet         evm_address NOT NULL,
    nonce          bigint NOT NULL CHECK (nonce >= 0),
    kind           text NOT NULL CHECK (kind IN ('pay', 'fill', 'service')),
    state          text NOT NULL DEFAULT 'reserved' CHECK (state IN ('reserved', 'signed', 'broadcast', 'mined', 'final')),
    epoch          bigint NOT NULL,                     -- lease epoch that reserved it
    vault          evm_address,
    lane           bigint,
    token          evm_address,
    word           numeric(78, 0),
    expected_head  hash32,
    deadline       timestamptz,
    max_fee_per_gas           numeric(78, 0) NOT NULL,  -- what the signer is asked for next, kept before it is asked
    max_priority_fee_per_gas  numeric(78, 0) NOT NULL,
    gas                       bigint NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain_id, wallet, nonce),
    CONSTRAINT pay_is_complete CHECK (kind <> 'pay' OR (vault IS NOT NULL AND lane IS NOT NULL AND token IS NOT NULL
        AND word IS NOT NULL AND expected_head IS NOT NULL AND deadline IS NOT NULL)),
    FOREIGN KEY (chain_id, wallet) REFERENCES wallets
);
CREATE UNIQUE INDEX one_unmined_batch_per_lane ON slots (chain_id, vault, lane) WHERE kind = 'pay' AND state <> 'final';

CREATE TABLE slot_items (
    chain_id   bigint NOT NULL,
    wallet     evm_address NOT NULL,
    nonce      bigint NOT NULL,
    position   integer NOT NULL CHECK (position BETWEEN 0 AND 255),   -- bit in the word
    payout_id  text NOT NULL REFERENCES payouts,
    outcome    text NOT NULL DEFAULT 'open' CHECK (outcome IN ('open', 'paid', 'refused', 'skipped', 'released')),
    PRIMARY KEY (chain_id, wallet, nonce, position),
    FOREIGN KEY (chain_id, wallet, nonce) REFERENCES slots
);
CREATE UNIQUE INDEX one_live_slot_per_payout ON slot_items (payout_id) WHERE outcome IN ('open', 'paid', 'refused');

-- One signed byte string for a slot. The bytes never change.
CREATE TABLE attempts (
    tx_hash                   hash32 PRIMARY KEY,
    chain_id                  bigint NOT NULL,
    wallet                    evm_address NOT NULL,
    nonce                     bigint NOT NULL,
    raw                       bytea NOT NULL,
    max_fee_per_gas           numeric(78, 0) NOT NULL,
    max_priority_fee_per_gas  numeric(78, 0) NOT NULL,
    gas                       bigint NOT NULL,
    state                     text NOT NULL DEFAULT 'signed'
                              CHECK (state IN ('signed', 'offered', 'mined', 'final', 'superseded')),
    created_at                timestamptz NOT NULL DEFAULT now(),
    offered_at                timestamptz,
    block_hash                hash32,
    block_number              bigint,
    succeeded                 boolean,
    fee_paid                  numeric(78, 0),           -- wei, gas used x effective price
    UNIQUE (chain_id, wallet, nonce, max_fee_per_gas),
    FOREIGN KEY (chain_id, wallet, nonce) REFERENCES slots
);
CREATE UNIQUE INDEX one_mined_attempt_per_slot ON attempts (chain_id, wallet, nonce) WHERE state IN ('mined', 'final');
CREATE FUNCTION refuse_other_bytes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (new.tx_hash, new.chain_id, new.wallet, new.nonce, new.raw, new.max_fee_per_gas, new.max_priority_fee_per_gas, new.gas)
       IS DISTINCT FROM (old.tx_hash, old.chain_id, old.wallet, old.nonce, old.raw, old.max_fee_per_gas, old.max_priority_fee_per_gas, old.gas) THEN
        RAISE EXCEPTION 'the signed bytes of attempt % are for ever', encode(old.tx_hash, 'hex') USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER bytes_are_for_ever BEFORE UPDATE ON attempts FOR EACH ROW EXECUTE FUNCTION refuse_other_bytes();

-- Whom a payout pays, and how much, was approved: no process changes it afterwards.
CREATE FUNCTION refuse_other_payment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (new.id, new.account_id, new.livemode, new.identity, new.token_id, new.chain_id, new.destination, new.amount)
       IS DISTINCT FROM (old.id, old.account_id, old.livemode, old.identity, old.token_id, old.chain_id, old.destination, old.amount) THEN
        RAISE EXCEPTION 'whom payout % pays, and how much, is for ever', old.id USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER payment_is_for_ever BEFORE UPDATE ON payouts FOR EACH ROW EXECUTE FUNCTION refuse_other_payment();

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON payout_approvals FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON payout_approvals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
