-- The owner's login writes what the signer obeys already. One row of a version that no signer will ever have would make
-- every payout of an account wait for approvals that can never count.
REVOKE INSERT ON approvers FROM bascule_api;
