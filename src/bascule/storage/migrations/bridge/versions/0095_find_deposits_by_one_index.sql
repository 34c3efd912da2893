-- What came to an address is what was paid to it: the index that says that no payment is two deposits begins with the
-- address, so no other is needed to find them by it, and each deposit is written to one index less.
ALTER TABLE deposits DROP CONSTRAINT one_deposit_per_payment,
    ADD CONSTRAINT one_deposit_per_payment UNIQUE (chain_id, dst, tx_hash, token, occurrence);
DROP INDEX deposits_by_address;
