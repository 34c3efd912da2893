-- What an account may pay out of a token, or of all tokens that have no policy of their own; the newest version rules.
CREATE TABLE policies (
    id           text PRIMARY KEY,                      -- pol_…
    account_id   text NOT NULL REFERENCES accounts,
    livemode     boolean NOT NULL,
    token_id     text REFERENCES tokens,                -- null: every token without a policy of its own
    version      integer NOT NULL CHECK (version >= 1),
    rules        jsonb NOT NULL CHECK (jsonb_typeof(rules) = 'object'),
    description  text,
    created_by   text NOT NULL,                         -- key_…, cli or process:<name>
    created_at   timestamptz NOT NULL,
    CONSTRAINT one_policy_per_version UNIQUE NULLS NOT DISTINCT (account_id, livemode, token_id, version)
);
INSERT INTO policies (id, account_id, livemode, token_id, version, rules, created_by, created_at)
SELECT 'pol_0' || left(md5(p.account_id || p.token_id || p.version), 25), p.account_id, n.livemode, p.token_id, p.version,
       jsonb_build_object(
           'approvals', jsonb_build_array(jsonb_build_object('above', '0.000000', 'required', p.approvals_required)),
           'max_per_payout', trunc(p.max_per_payout / 10::numeric ^ t.decimals, 6)::numeric(78, 6)::text,
           'max_per_day', trunc(p.max_per_day / 10::numeric ^ t.decimals, 6)::numeric(78, 6)::text),
       'process:migrate', p.created_at
  FROM payout_policies AS p JOIN tokens AS t ON t.id = p.token_id JOIN networks AS n ON n.chain_id = t.chain_id;
DROP TABLE payout_policies;

CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON policies FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON policies FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT ON policies TO bascule_api, bascule_submitter, bascule_worker;
GRANT INSERT ON policies TO bascule_api;

-- Addresses that no account may pay: on the denylist of any policy of the operator that rules now.
CREATE VIEW operators_denied AS
SELECT DISTINCT q.livemode, lower(d.address) AS address
  FROM (SELECT DISTINCT ON (p.livemode, p.token_id) p.livemode, p.rules
          FROM policies AS p JOIN accounts AS a ON a.id = p.account_id AND a.kind = 'operator'
         ORDER BY p.livemode, p.token_id, p.version DESC) AS q
 CROSS JOIN LATERAL jsonb_array_elements_text(q.rules -> 'denylist') AS d (address);
GRANT SELECT ON operators_denied TO bascule_api, bascule_submitter;

-- Who holds a key: what is asked for with it, that person may not approve.
ALTER TABLE api_keys ADD COLUMN holder evm_address;

ALTER TABLE payouts
    ADD COLUMN policy_id text REFERENCES policies,      -- the version under which it was decided
    ADD COLUMN maker     evm_address;                   -- the person whose key asked for it
GRANT INSERT (policy_id, maker) ON payouts TO bascule_api;
CREATE INDEX payouts_by_time ON payouts (account_id, token_id, created_at);
