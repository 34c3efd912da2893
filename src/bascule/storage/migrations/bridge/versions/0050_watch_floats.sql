-- How a token in a vault stands on chain, as a lane of the vault saw it last.
CREATE TABLE vault_floats (
    chain_id        bigint NOT NULL REFERENCES networks,
    vault           evm_address NOT NULL,
    token_id        text NOT NULL REFERENCES tokens,
    balance         numeric(78, 0) CHECK (balance >= 0),  -- base units at block_number; NULL while one vault is all
    block_number    bigint NOT NULL,                      -- final
    limit_amount    numeric(78, 0) NOT NULL,              -- base units that may leave in any limit_window_s
    limit_window_s  bigint NOT NULL,
    limit_left      numeric(78, 0) NOT NULL,
    seen_at         timestamptz NOT NULL,
    low             boolean NOT NULL DEFAULT false,       -- as treasury was told
    changes         bigint NOT NULL DEFAULT 0,            -- how often it was told
    PRIMARY KEY (chain_id, vault, token_id)
);

GRANT SELECT ON vault_floats TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT ON vault_floats TO bascule_submitter;
GRANT UPDATE (balance, block_number, limit_amount, limit_window_s, limit_left, seen_at, low, changes)
   ON vault_floats TO bascule_submitter;
