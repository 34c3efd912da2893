-- Who renews the round of a batch says how many people it takes now, and why they are more.
GRANT UPDATE (approvals_required, policy_decision) ON payout_batches TO bascule_submitter;
