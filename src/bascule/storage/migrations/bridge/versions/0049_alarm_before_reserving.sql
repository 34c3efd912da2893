-- What the signer's rules would refuse is seen before a nonce is taken: the alarm is of the nonce that would have been
-- next, and of one payout, so that another forged one under the same nonce is told too.
ALTER TABLE signer_alarms DROP CONSTRAINT signer_alarms_chain_id_wallet_nonce_fkey;
ALTER TABLE signer_alarms ADD COLUMN subject text NOT NULL DEFAULT '';     -- a payout; empty: the signer was asked
ALTER TABLE signer_alarms DROP CONSTRAINT signer_alarms_pkey;
ALTER TABLE signer_alarms ADD PRIMARY KEY (chain_id, wallet, nonce, code, subject);

-- As before, and rows of rules that nobody could read deny nobody: they must not stop every account's payouts.
CREATE OR REPLACE VIEW operators_denied AS
SELECT DISTINCT q.livemode, lower(d.address) AS address
  FROM (SELECT DISTINCT ON (p.livemode, p.token_id) p.livemode, p.rules
          FROM policies AS p JOIN accounts AS a ON a.id = p.account_id AND a.kind = 'operator'
         ORDER BY p.livemode, p.token_id, p.version DESC) AS q
 CROSS JOIN LATERAL jsonb_array_elements_text(
            CASE jsonb_typeof(q.rules -> 'denylist') WHEN 'array' THEN q.rules -> 'denylist' ELSE '[]' END) AS d (address)
 WHERE d.address ~* '^0x[0-9a-f]{40}$';
