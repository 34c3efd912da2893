-- How each wallet stands, as its own lane saw it last. Amounts in wei.
CREATE TABLE wallet_gas (
    chain_id      bigint NOT NULL,
    wallet        evm_address NOT NULL,
    balance       numeric(78, 0) NOT NULL CHECK (balance >= 0),
    block_number  bigint NOT NULL,                        -- the balance is of its end
    full_cost     numeric(78, 0) NOT NULL,                -- one full transaction of its lane at the ceiling
    spent         numeric(78, 0) NOT NULL,                -- since spent_since
    spent_since   timestamptz NOT NULL,
    seen_at       timestamptz NOT NULL,
    PRIMARY KEY (chain_id, wallet),
    FOREIGN KEY (chain_id, wallet) REFERENCES wallets
);

-- Wallets of ours that the chain's gas wallet may fill up; written by the owner's login alone.
CREATE TABLE gas_routes (
    chain_id      bigint NOT NULL,
    destination   evm_address NOT NULL,
    max_per_item  numeric(78, 0) NOT NULL CHECK (max_per_item > 0),
    max_per_day   numeric(78, 0) NOT NULL CHECK (max_per_day >= max_per_item),
    PRIMARY KEY (chain_id, destination),
    FOREIGN KEY (chain_id, destination) REFERENCES wallets
);

-- What a nonce of the gas wallet sends, and what came of it.
CREATE TABLE gas_top_ups (
    chain_id      bigint NOT NULL,
    wallet        evm_address NOT NULL,
    nonce         bigint NOT NULL,
    destination   evm_address NOT NULL,
    amount        numeric(78, 0) NOT NULL CHECK (amount > 0),
    requested_at  timestamptz NOT NULL,
    outcome       text NOT NULL DEFAULT 'open' CHECK (outcome IN ('open', 'done', 'failed', 'lost')),
    decided_at    timestamptz,
    block_number  bigint,                                 -- of the transfer, once it is final
    PRIMARY KEY (chain_id, wallet, nonce),
    FOREIGN KEY (chain_id, wallet, nonce) REFERENCES slots,
    FOREIGN KEY (chain_id, destination) REFERENCES wallets,
    CONSTRAINT decided_has_time CHECK ((outcome = 'open') = (decided_at IS NULL))
);
CREATE UNIQUE INDEX one_open_top_up ON gas_top_ups (chain_id, destination) WHERE outcome = 'open';
CREATE INDEX gas_top_ups_by_day ON gas_top_ups (chain_id, destination, requested_at);
CREATE INDEX attempts_by_day ON attempts (chain_id, wallet, created_at) WHERE fee_paid > 0;

GRANT SELECT ON wallet_gas, gas_routes, gas_top_ups TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT ON wallet_gas, gas_top_ups TO bascule_submitter;
GRANT UPDATE (balance, block_number, full_cost, spent, spent_since, seen_at) ON wallet_gas TO bascule_submitter;
GRANT UPDATE (outcome, decided_at, block_number) ON gas_top_ups TO bascule_submitter;
