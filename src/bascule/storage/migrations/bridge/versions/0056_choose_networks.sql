-- What was known of the networks, and what decided between them; NULL when one was named.
ALTER TABLE payouts ADD COLUMN network_decision jsonb;

GRANT INSERT (network_decision) ON payouts TO bascule_api;
