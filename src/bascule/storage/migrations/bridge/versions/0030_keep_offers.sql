-- What each node said to bytes it was offered: the newest answer alone, so a slot's rows are bounded by its nodes.
CREATE TABLE offers (
    tx_hash   hash32 NOT NULL REFERENCES attempts,
    node      text NOT NULL,
    says      text NOT NULL,
    bytes     text NOT NULL,                              -- what that says of them: in_pool, unknown, ...
    words     text CHECK (length(words) <= 300),
    times     integer NOT NULL CHECK (times > 0),
    accepted  integer NOT NULL CHECK (accepted BETWEEN 0 AND times),
    first_at  timestamptz NOT NULL,
    last_at   timestamptz NOT NULL,
    PRIMARY KEY (tx_hash, node)
);

-- Why a slot does not move by itself; nothing while it does.
ALTER TABLE slots ADD COLUMN stuck text
    CHECK (stuck IN ('fee_ceiling', 'signer_refuses', 'wallet_unfunded', 'nodes_refuse', 'nonce_used'));

GRANT SELECT ON offers TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT ON offers TO bascule_submitter;
GRANT UPDATE (says, bytes, words, times, accepted, last_at) ON offers TO bascule_submitter;
