-- The bridge: what we believe of the chain, what merchants and treasury asked for, what we told them.
-- Every rule that must never be false is repeated here as a constraint. No process role may DELETE.

CREATE DOMAIN evm_address AS bytea CHECK (octet_length(VALUE) = 20);
CREATE DOMAIN hash32      AS bytea CHECK (octet_length(VALUE) = 32);
CREATE DOMAIN base_units  AS numeric(78, 0) CHECK (VALUE >= 0 AND VALUE < 2::numeric ^ 256);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is not allowed: rows of this table are for ever', tg_op, tg_table_schema, tg_table_name
        USING errcode = '42501';
END $$;

-- ───────────────────────── accounts ─────────────────────────
CREATE TABLE accounts (
    id          text PRIMARY KEY,                       -- acct_…
    kind        text NOT NULL CHECK (kind IN ('operator', 'merchant')),
    name        text NOT NULL CHECK (name <> ''),
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX one_operator_per_installation ON accounts (kind) WHERE kind = 'operator';

CREATE TABLE api_keys (
    id          text PRIMARY KEY,                       -- key_…
    account_id  text NOT NULL REFERENCES accounts,
    kind        text NOT NULL CHECK (kind IN ('sk', 'rk', 'pk')),
    livemode    boolean NOT NULL,
    lookup      text NOT NULL UNIQUE,                   -- first characters of the key, not secret
    hmac        hash32 NOT NULL,                        -- HMAC-SHA-256(pepper, whole key)
    scopes      text[] NOT NULL DEFAULT '{*}',
    name        text NOT NULL DEFAULT '',
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz,
    revoked_at  timestamptz
);

-- Who may approve, as the API sees it. The signer trusts its own roster only (schema signer).
CREATE TABLE approvers (
    account_id      text NOT NULL REFERENCES accounts,
    address         evm_address NOT NULL,
    roster_version  integer NOT NULL CHECK (roster_version >= 1),
    name            text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, roster_version, address)
);

-- ───────────────────────── networks and tokens ─────────────────────────
CREATE TABLE networks (
    chain_id         bigint PRIMARY KEY CHECK (chain_id > 0),
    name             text NOT NULL UNIQUE,              -- alias: base
    livemode         boolean NOT NULL,
    finality_kind    text NOT NULL CHECK (finality_kind IN ('finalized', 'safe', 'depth')),
    finality_depth   integer NOT NULL DEFAULT 0 CHECK (finality_depth >= 0),
    vault            evm_address,
    deposit_factory  evm_address,
    forwarder        evm_address,                       -- implementation the clones point at
    collector        evm_address,
    start_block      bigint NOT NULL DEFAULT 0,
    explorer_url     text NOT NULL DEFAULT ''
);

CREATE TABLE tokens (
    id        text PRIMARY KEY,                         -- tok_…
    chain_id  bigint NOT NULL REFERENCES networks,
    contract  evm_address NOT NULL,                     -- twenty zero bytes: the native coin
    currency  text NOT NULL CHECK (currency ~ '^[a-z0-9]{2,12}$'),
    name      text NOT NULL DEFAULT '',
    decimals  smallint NOT NULL CHECK (decimals BETWEEN 0 AND 18),
    accepted  boolean NOT NULL,                         -- counts as payment; the native coin never does
    UNIQUE (chain_id, contract)
);

-- Limits and approvals of money out, per account and token; the newest version rules.
CREATE TABLE payout_policies (
    account_id          text NOT NULL REFERENCES accounts,
    token_id            text NOT NULL REFERENCES tokens,
    version             integer NOT NULL CHECK (version >= 1),
    approvals_required  integer NOT NULL CHECK (approvals_required >= 1),
    max_per_payout      base_units NOT NULL,
    max_per_day         base_units NOT NULL,
    created_at          timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, token_id, version)
);

-- Addresses we hold money at, besides deposit addresses. Watched from opened_block + 1 on.
CREATE TABLE own_addresses (
    chain_id      bigint NOT NULL REFERENCES networks,
    address       evm_address NOT NULL,
    kind          text NOT NULL CHECK (kind IN ('vault', 'collector', 'wallet')),
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain_id, address)
);
-- Outside addresses whose arrivals at vault or collector are the operator's capital.
CREATE TABLE treasury_sources (
    chain_id  bigint NOT NULL REFERENCES networks,
    address   evm_address NOT NULL,
    label     text NOT NULL DEFAULT '',
    PRIMARY KEY (chain_id, address)
);

-- ───────────────────────── the chain as we believe it ─────────────────────────
CREATE TABLE leases (
    name        text PRIMARY KEY,
    holder      text NOT NULL,
    epoch       bigint NOT NULL CHECK (epoch >= 1),     -- the fencing token: grows with every new holder
    expires_at  timestamptz NOT NULL
);

CREATE TABLE blocks (
    chain_id    bigint NOT NULL REFERENCES networks,
    hash        hash32 NOT NULL,
    number      bigint NOT NULL CHECK (number >= 0),
    parent      hash32 NOT NULL,
    block_time  timestamptz NOT NULL,
    canonical   boolean NOT NULL DEFAULT true,          -- orphaned blocks are marked, never deleted
    verified    text NOT NULL DEFAULT 'none' CHECK (verified IN ('none', 'bloom', 'receipts', 'quorum')),
    PRIMARY KEY (chain_id, hash)
);
CREATE UNIQUE INDEX one_canonical_block_per_height ON blocks (chain_id, number) WHERE canonical;

CREATE TABLE cursors (
    chain_id          bigint PRIMARY KEY REFERENCES networks,
    next_number       bigint NOT NULL,                  -- the first block not read yet
    last_hash         hash32 NOT NULL,                  -- hash of block next_number - 1
    head_time         timestamptz NOT NULL,             -- block time of block next_number - 1
    finalized_number  bigint NOT NULL,
    finalized_hash    hash32 NOT NULL,
    halted_reason     text,                             -- set: no credit, no payout on this chain
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CHECK (finalized_number < next_number)
);
CREATE FUNCTION refuse_finality_going_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.finalized_number < old.finalized_number THEN
        RAISE EXCEPTION 'finalized_number of chain % may not fall from % to %',
            old.chain_id, old.finalized_number, new.finalized_number USING errcode = '23514';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER finality_only_grows BEFORE UPDATE ON cursors FOR EACH ROW EXECUTE FUNCTION refuse_finality_going_back();

-- ERC-20 Transfer logs that touch our addresses, any token. Kept for ever.
CREATE TABLE transfers (
    chain_id      bigint NOT NULL,
    block_hash    hash32 NOT NULL,
    log_index     integer NOT NULL CHECK (log_index >= 0),
    block_number  bigint NOT NULL,
    tx_hash       hash32 NOT NULL,
    token         evm_address NOT NULL,
    src           evm_address NOT NULL,
    dst           evm_address NOT NULL,
    amount        base_units NOT NULL,
    occurrence    integer NOT NULL CHECK (occurrence >= 0),  -- k-th log of this tx with the same token and dst
    canonical     boolean NOT NULL DEFAULT true,
    PRIMARY KEY (chain_id, block_hash, log_index),
    FOREIGN KEY (chain_id, block_hash) REFERENCES blocks (chain_id, hash)
);
CREATE INDEX transfers_by_tx ON transfers (chain_id, tx_hash);
CREATE INDEX transfers_by_number ON transfers (chain_id, block_number) WHERE canonical;

-- What an address of ours held when we began to watch it (native coin: token of twenty zero bytes).
CREATE TABLE openings (
    id            text PRIMARY KEY,                     -- opn_…
    chain_id      bigint NOT NULL,
    address       evm_address NOT NULL,
    token         evm_address NOT NULL,
    block_number  bigint NOT NULL,
    block_hash    hash32 NOT NULL,
    amount        base_units NOT NULL,
    UNIQUE (chain_id, address, token),
    FOREIGN KEY (chain_id, address) REFERENCES own_addresses
);

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON openings FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON openings FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
