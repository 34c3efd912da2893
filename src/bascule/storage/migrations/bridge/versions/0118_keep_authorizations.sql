-- A deposit address of an account that belongs to no intent: what comes there is the account's.
CREATE TABLE standing_addresses (
    account_id  text NOT NULL REFERENCES accounts,
    chain_id    bigint NOT NULL REFERENCES networks,
    address     evm_address NOT NULL,
    created_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, chain_id),
    UNIQUE (chain_id, address),
    UNIQUE (account_id, chain_id, address),
    FOREIGN KEY (chain_id, address) REFERENCES deposit_addresses
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON standing_addresses FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON standing_addresses FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- The EIP-712 name and version under which a token's holders sign authorizations, as its contract confirmed them.
CREATE TABLE token_domains (
    token_id  text PRIMARY KEY REFERENCES tokens,
    name      text NOT NULL,
    version   text NOT NULL
);

-- What presenting authorizations may cost on a chain; the signer has limits of its own.
CREATE TABLE facilitators (
    chain_id         bigint PRIMARY KEY REFERENCES networks,
    max_fee_per_gas  numeric(78, 0) NOT NULL,
    max_per_day      numeric(78, 0) NOT NULL           -- wei that 24 hours' transactions may cost at the most
);

-- What a payer signed, and what came of it. wallet, slot: the nonce that carries it now; the deposit: what it paid, whoever
-- presented it.
CREATE TABLE authorizations (
    id            text PRIMARY KEY,                    -- aut_…
    account_id    text NOT NULL,
    livemode      boolean NOT NULL,
    chain_id      bigint NOT NULL,
    token_id      text NOT NULL REFERENCES tokens,
    payer         evm_address NOT NULL,
    nonce         hash32 NOT NULL,
    pay_to        evm_address NOT NULL,
    amount        base_units NOT NULL CHECK (amount > 0),
    valid_after   base_units NOT NULL,
    valid_before  base_units NOT NULL,
    signature     bytea NOT NULL CHECK (octet_length(signature) = 65),
    identifier    text CHECK (length(identifier) BETWEEN 16 AND 128),
    resource      text CHECK (length(resource) <= 2048),
    since_block   bigint NOT NULL,                     -- its nonce was unused at the end of this one
    state         text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'included', 'settled', 'failed')),
    failure_code  text CHECK (failure_code IN ('expired', 'nonce_used')),
    waits_for     text,
    look_at       timestamptz NOT NULL,
    wallet        evm_address,
    slot          bigint,
    deposit_id    text UNIQUE REFERENCES deposits,
    created_at    timestamptz NOT NULL,
    ended_at      timestamptz,
    version       integer NOT NULL DEFAULT 1,
    UNIQUE (token_id, payer, nonce),
    UNIQUE (chain_id, wallet, slot),
    FOREIGN KEY (account_id, chain_id, pay_to) REFERENCES standing_addresses (account_id, chain_id, address),
    FOREIGN KEY (chain_id, wallet, slot) REFERENCES slots,
    CONSTRAINT wallet_with_slot CHECK ((wallet IS NULL) = (slot IS NULL)),
    CONSTRAINT paid_by_a_deposit CHECK ((state IN ('included', 'settled')) = (deposit_id IS NOT NULL)),
    CONSTRAINT failed_has_code CHECK ((state = 'failed') = (failure_code IS NOT NULL)),
    CONSTRAINT ended_has_time CHECK ((state IN ('settled', 'failed')) = (ended_at IS NOT NULL))
);
CREATE UNIQUE INDEX authorizations_by_identifier ON authorizations (account_id, livemode, identifier) WHERE identifier IS NOT NULL;
CREATE INDEX authorizations_by_account ON authorizations (account_id, livemode, created_at DESC, id DESC);
CREATE INDEX authorizations_open ON authorizations (chain_id, state) WHERE state IN ('pending', 'included');
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON authorizations FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- A deposit answers for an authorization only if it is what the payer signed.
CREATE FUNCTION require_authorized_deposit() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM deposits AS d WHERE d.id = new.deposit_id
                      AND (d.account_id, d.livemode, d.chain_id, d.token_id, d.src, d.dst, d.amount::numeric)
                        = (new.account_id, new.livemode, new.chain_id, new.token_id, new.payer, new.pay_to, new.amount::numeric)) THEN
        RAISE EXCEPTION 'deposit % is not what authorization % says', new.deposit_id, new.id
            USING errcode = '23514', constraint = 'deposit_is_authorized';
    END IF;
    RETURN new;
END $$;
REVOKE EXECUTE ON FUNCTION require_authorized_deposit() FROM PUBLIC;
CREATE TRIGGER deposit_is_authorized BEFORE UPDATE OF deposit_id ON authorizations FOR EACH ROW
    WHEN (new.deposit_id IS NOT NULL) EXECUTE FUNCTION require_authorized_deposit();

GRANT SELECT ON standing_addresses, token_domains, facilitators, authorizations TO bascule_api, bascule_submitter, bascule_auditor;
GRANT SELECT ON standing_addresses TO bascule_watcher, bascule_worker;
GRANT SELECT ON authorizations TO bascule_watcher, bascule_worker;
GRANT INSERT ON standing_addresses TO bascule_api;
GRANT INSERT (id, account_id, livemode, chain_id, token_id, payer, nonce, pay_to, amount, valid_after, valid_before, signature,
              identifier, resource, since_block, look_at, created_at) ON authorizations TO bascule_api;
GRANT UPDATE (state, failure_code, waits_for, look_at, wallet, slot, deposit_id, ended_at, version) ON authorizations TO bascule_submitter;
