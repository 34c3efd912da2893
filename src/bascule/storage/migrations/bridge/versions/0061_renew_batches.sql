-- The submitter ends rounds, and so begins the next one of a batch.
GRANT UPDATE (approval_expires_at, roster_version) ON payout_batches TO bascule_submitter;
