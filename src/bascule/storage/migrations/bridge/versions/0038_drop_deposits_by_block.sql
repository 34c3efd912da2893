-- Deposits of a block are looked for while they are not final, which deposits_to_finalize finds by height.
DROP INDEX deposits_by_block;
