-- A transaction that moves a sender's whole balance may move another amount in another block: its deposit follows the
-- chain, and says what it was before, so that whoever acted on that can tell.
ALTER TABLE deposits ADD COLUMN amount_before base_units;
