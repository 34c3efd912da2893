-- A final block at which a wallet had what the rows say: later looks begin there.
CREATE TABLE coin_marks (
    chain_id      bigint NOT NULL,
    wallet        evm_address NOT NULL,
    block_number  bigint NOT NULL,
    amount        numeric NOT NULL,         -- wei, as the rows have it; what people explained is beside it
    PRIMARY KEY (chain_id, wallet),
    FOREIGN KEY (chain_id, wallet) REFERENCES wallets (chain_id, address)
);
GRANT SELECT, INSERT, UPDATE ON coin_marks TO bascule_worker;
GRANT SELECT ON coin_marks TO bascule_auditor;
