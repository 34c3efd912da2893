-- Payouts that somebody asked to call off while they are on their way: the vault is told never to pay their ids.
CREATE TABLE payout_cancels (
    payout_id     text PRIMARY KEY REFERENCES payouts,
    chain_id      bigint NOT NULL REFERENCES networks,
    requested_by  text NOT NULL,                          -- key_… or cli
    requested_at  timestamptz NOT NULL,
    wallet        evm_address,                            -- of the slot that carries the call, once there is one
    nonce         bigint,
    outcome       text NOT NULL DEFAULT 'open' CHECK (outcome IN ('open', 'canceled', 'too_late')),
    decided_at    timestamptz,
    CONSTRAINT slot_is_whole CHECK ((wallet IS NULL) = (nonce IS NULL)),
    CONSTRAINT decided_has_time CHECK ((outcome = 'open') = (decided_at IS NULL)),
    FOREIGN KEY (chain_id, wallet, nonce) REFERENCES slots
);
CREATE INDEX payout_cancels_waiting ON payout_cancels (chain_id, requested_at) WHERE outcome = 'open' AND nonce IS NULL;
CREATE INDEX payout_cancels_by_slot ON payout_cancels (chain_id, wallet, nonce) WHERE nonce IS NOT NULL;

GRANT SELECT ON payout_cancels TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT (payout_id, chain_id, requested_by, requested_at) ON payout_cancels TO bascule_api;
GRANT UPDATE (wallet, nonce, outcome, decided_at) ON payout_cancels TO bascule_submitter;
