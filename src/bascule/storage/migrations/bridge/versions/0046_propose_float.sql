-- How much a vault lacks for the payouts that wait for it; done once that is booked, or not needed any more.
CREATE TABLE float_proposals (
    chain_id     bigint NOT NULL REFERENCES networks,
    vault        evm_address NOT NULL,
    token_id     text NOT NULL REFERENCES tokens,
    proposed_at  timestamptz NOT NULL,
    amount       numeric(78, 0) NOT NULL CHECK (amount > 0),  -- base units, the most that was missing so far
    done_at      timestamptz,
    PRIMARY KEY (chain_id, vault, token_id, proposed_at)
);
CREATE UNIQUE INDEX one_open_proposal ON float_proposals (chain_id, vault, token_id) WHERE done_at IS NULL;
CREATE INDEX slots_unfinished_pay ON slots (chain_id, vault, token) WHERE kind = 'pay' AND state <> 'final';

GRANT SELECT ON float_proposals TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT ON float_proposals TO bascule_submitter;
GRANT UPDATE (amount, done_at) ON float_proposals TO bascule_submitter;
