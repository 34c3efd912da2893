-- What the signer refused because it contradicts what the signer knows: once a nonce and code, however often it asks.
CREATE TABLE signer_alarms (
    chain_id  bigint NOT NULL,
    wallet    evm_address NOT NULL,
    nonce     bigint NOT NULL,
    code      text NOT NULL CHECK (length(code) <= 100),
    message   text NOT NULL,
    items     jsonb NOT NULL,                             -- [{"name", "code"}]: payouts and addresses named
    at        timestamptz NOT NULL,
    PRIMARY KEY (chain_id, wallet, nonce, code),
    FOREIGN KEY (chain_id, wallet, nonce) REFERENCES slots
);
CREATE INDEX signer_alarms_newest ON signer_alarms (chain_id, at);

GRANT SELECT ON signer_alarms TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT ON signer_alarms TO bascule_submitter;
