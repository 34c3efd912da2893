-- What proves the logs of one receipt, kept for the receipts that hold deposits; or what nodes agreed on, for a block
-- that cannot be proven. A row belongs to a block, which never changes: it is written once.
CREATE TABLE deposit_proofs (
    chain_id     bigint NOT NULL,
    block_hash   hash32 NOT NULL,
    first_log    integer NOT NULL,
    last_log     integer NOT NULL,
    verified     text NOT NULL CHECK (verified IN ('receipts', 'quorum')),
    proof        jsonb,                                -- family, header, receipt, its index, branch
    agreement    hash32,                               -- digest of the block's transfers
    nodes        text[] NOT NULL,
    proven_at    timestamptz NOT NULL,
    PRIMARY KEY (chain_id, block_hash, first_log),
    FOREIGN KEY (chain_id, block_hash) REFERENCES blocks (chain_id, hash),
    CONSTRAINT holds_logs CHECK (0 <= first_log AND first_log <= last_log),
    CONSTRAINT proof_or_agreement CHECK ((verified = 'receipts') = (proof IS NOT NULL)
                                         AND (verified = 'quorum') = (agreement IS NOT NULL))
);
GRANT SELECT ON deposit_proofs TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT ON deposit_proofs TO bascule_watcher;

-- The policy under which the deposit's block was final: a node's tag, or blocks on top of it.
ALTER TABLE deposits ADD COLUMN finality text;
