-- A seal whose head shall stand on chain, the nonce that carries it, and what came of it.
CREATE TABLE anchors (
    chain_id      bigint NOT NULL REFERENCES networks,
    seal          bigint NOT NULL REFERENCES seals (number),
    head          text NOT NULL REFERENCES seals (hash),
    requested_at  timestamptz NOT NULL,
    wallet        evm_address,
    nonce         bigint,
    outcome       text NOT NULL DEFAULT 'open' CHECK (outcome IN ('open', 'done', 'refused')),
    decided_at    timestamptz,
    PRIMARY KEY (chain_id, seal),
    UNIQUE (chain_id, wallet, nonce),
    FOREIGN KEY (chain_id, wallet, nonce) REFERENCES slots,
    CONSTRAINT wallet_with_nonce CHECK ((wallet IS NULL) = (nonce IS NULL)),
    CONSTRAINT decided_has_nonce CHECK (outcome = 'open' OR nonce IS NOT NULL),
    CONSTRAINT decided_has_time CHECK ((outcome = 'open') = (decided_at IS NULL))
);
CREATE UNIQUE INDEX one_open_anchor ON anchors (chain_id) WHERE outcome = 'open';
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON anchors FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

GRANT SELECT ON anchors TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT (chain_id, seal, head, requested_at) ON anchors TO bascule_worker;
GRANT UPDATE (wallet, nonce, outcome, decided_at) ON anchors TO bascule_submitter;
