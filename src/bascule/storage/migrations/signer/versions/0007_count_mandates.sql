-- Payouts that went out under a mandate: what is signed for in 24 hours never exceeds what its approvers allowed.
ALTER TABLE signer.items ADD COLUMN mandate_id text;
CREATE INDEX signer_items_by_mandate ON signer.items (mandate_id, signed_at) WHERE mandate_id IS NOT NULL;
