-- The signer's own memory: whom it obeys, what it signed. It reads no authority from anywhere else.
CREATE SCHEMA IF NOT EXISTS signer;

CREATE TABLE signer.rosters (
    account_id  text NOT NULL,
    version     integer NOT NULL CHECK (version >= 1),
    threshold   integer NOT NULL CHECK (threshold >= 1),
    signatures  jsonb NOT NULL DEFAULT '[]',            -- by whom this version was signed; empty: operator's first, by CLI
    created_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (account_id, version)
);
CREATE TABLE signer.roster_members (
    account_id  text NOT NULL,
    version     integer NOT NULL,
    address     bytea NOT NULL CHECK (octet_length(address) = 20),
    PRIMARY KEY (account_id, version, address),
    FOREIGN KEY (account_id, version) REFERENCES signer.rosters
);
-- Hard limits: the newest version per chain and token rules; a token without a row is not signed for.
CREATE TABLE signer.limits (
    chain_id       bigint NOT NULL,
    vault          bytea NOT NULL CHECK (octet_length(vault) = 20),
    token          bytea NOT NULL CHECK (octet_length(token) = 20),
    version        integer NOT NULL CHECK (version >= 1),
    max_per_item   numeric(78, 0) NOT NULL,
    max_per_day    numeric(78, 0) NOT NULL,
    max_fee_per_gas numeric(78, 0) NOT NULL,
    max_gas        bigint NOT NULL,
    signatures     jsonb NOT NULL DEFAULT '[]',
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain_id, vault, token, version)
);
-- One wallet per lane: highest epoch and nonce seen; both only grow.
CREATE TABLE signer.wallets (
    chain_id       bigint NOT NULL,
    address        bytea NOT NULL CHECK (octet_length(address) = 20),
    role           text NOT NULL CHECK (role IN ('lane', 'canceller', 'sweeper', 'x402', 'gas', 'anchor')),
    epoch          bigint NOT NULL DEFAULT 0,
    highest_nonce  bigint NOT NULL DEFAULT -1,
    frozen         boolean NOT NULL DEFAULT false,      -- kill switch; does not block fill
    PRIMARY KEY (chain_id, address)
);
-- A payout is one item for ever: same id, same content.
CREATE TABLE signer.items (
    payout_id  text PRIMARY KEY,
    account_id text NOT NULL,
    chain_id   bigint NOT NULL,
    vault      bytea NOT NULL,
    vault_id   numeric(78, 0) NOT NULL,
    token      bytea NOT NULL,
    amount     numeric(78, 0) NOT NULL,
    digest     bytea NOT NULL CHECK (octet_length(digest) = 32),
    signed_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (chain_id, vault, vault_id)
);
CREATE INDEX signer_items_by_day ON signer.items (chain_id, vault, token, signed_at);
-- A nonce is one content for ever: committed before the key is used.
CREATE TABLE signer.slots (
    chain_id   bigint NOT NULL,
    wallet     bytea NOT NULL,
    nonce      bigint NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('pay', 'fill', 'cancel', 'flush', 'authorization', 'top_up', 'anchor')),
    content    bytea NOT NULL CHECK (octet_length(content) = 32),   -- digest of to, value, calldata
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (chain_id, wallet, nonce),
    FOREIGN KEY (chain_id, wallet) REFERENCES signer.wallets (chain_id, address)
);
-- The signature leaves only after its row is committed; the same question gets the same bytes.
CREATE TABLE signer.signatures (
    tx_hash                   bytea PRIMARY KEY CHECK (octet_length(tx_hash) = 32),
    chain_id                  bigint NOT NULL,
    wallet                    bytea NOT NULL,
    nonce                     bigint NOT NULL,
    max_fee_per_gas           numeric(78, 0) NOT NULL,
    max_priority_fee_per_gas  numeric(78, 0) NOT NULL,
    gas                       bigint NOT NULL,
    raw                       bytea NOT NULL,
    created_at                timestamptz NOT NULL DEFAULT now(),
    UNIQUE (chain_id, wallet, nonce, max_fee_per_gas, max_priority_fee_per_gas, gas),
    FOREIGN KEY (chain_id, wallet, nonce) REFERENCES signer.slots
);
CREATE TABLE signer.refusals (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT now(),
    code      text NOT NULL,
    request   jsonb NOT NULL
);

-- ───────────────────────── guards ─────────────────────────
CREATE FUNCTION signer.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on %.% is not allowed: rows of this table are for ever', tg_op, tg_table_schema, tg_table_name
        USING errcode = '42501';
END $$;
CREATE FUNCTION signer.refuse_going_back() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF new.epoch < old.epoch OR new.highest_nonce < old.highest_nonce
       OR (new.chain_id, new.address, new.role) IS DISTINCT FROM (old.chain_id, old.address, old.role) THEN
        RAISE EXCEPTION 'epoch and nonce of wallet % only grow, and it stays what it is', encode(old.address, 'hex')
            USING errcode = '23514';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER only_grows BEFORE UPDATE ON signer.wallets FOR EACH ROW EXECUTE FUNCTION signer.refuse_going_back();
CREATE TRIGGER never_removed BEFORE DELETE ON signer.wallets FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.wallets FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.rosters FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.rosters FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.roster_members FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.roster_members FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.limits FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.limits FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.items FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.items FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.slots FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.slots FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.signatures FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.signatures FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.refusals FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.refusals FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();

-- ───────────────────────── rights ─────────────────────────
-- Whom it obeys and how much it may sign is written by the owner, through the command line; the rest by itself.
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA signer FROM PUBLIC;
GRANT USAGE ON SCHEMA signer TO bascule_signer;
GRANT SELECT ON ALL TABLES IN SCHEMA signer TO bascule_signer;
GRANT INSERT ON signer.items, signer.slots, signer.signatures, signer.refusals TO bascule_signer;
GRANT UPDATE (epoch, highest_nonce) ON signer.wallets TO bascule_signer;
