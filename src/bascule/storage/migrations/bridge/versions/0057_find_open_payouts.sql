-- Every lane looks for rounds of approvals that are over: without this it reads every payout there ever was.
CREATE INDEX payouts_open ON payouts (chain_id, vault) WHERE state IN ('requires_action', 'pending');
