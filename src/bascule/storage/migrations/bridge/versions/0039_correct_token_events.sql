-- Within a block, words of tokens may have been read in another order than its receipts prove.
GRANT UPDATE (tx_hash, token, kind, subject) ON token_events TO bascule_watcher;
