ALTER TABLE wallets ADD COLUMN closed_reason text;      -- while chain or signer knows what these rows do not
GRANT UPDATE (closed_reason) ON wallets TO bascule_submitter;
