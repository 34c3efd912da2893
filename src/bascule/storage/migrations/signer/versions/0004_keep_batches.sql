-- One signature may approve a batch: what was signed for in it never exceeds the totals people read.
ALTER TABLE signer.items ADD COLUMN batch_id text;
CREATE INDEX signer_items_by_batch ON signer.items (batch_id) WHERE batch_id IS NOT NULL;
