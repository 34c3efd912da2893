ALTER TABLE payout_batches
    ADD COLUMN state text NOT NULL DEFAULT 'validating' CHECK (state IN ('validating', 'requires_action', 'processing',
        'completed', 'completed_with_failures', 'canceled', 'invalid')),
    ADD COLUMN identity text,                           -- the batch key, for ever; a line's is this and its number
    ADD COLUMN mode text NOT NULL DEFAULT 'all_or_nothing' CHECK (mode IN ('all_or_nothing', 'best_effort')),
    ADD COLUMN description text,
    ADD COLUMN maker evm_address,                       -- the person whose key asked for it
    ADD COLUMN left_out jsonb NOT NULL DEFAULT '[]',    -- the lines that best effort left out, and why
    ADD COLUMN policy_decision jsonb NOT NULL DEFAULT '{}',
    ADD CONSTRAINT one_batch_per_identity UNIQUE (account_id, livemode, identity);
GRANT INSERT (state, identity, mode, description, maker, left_out, policy_decision) ON payout_batches TO bascule_api;
GRANT UPDATE (state) ON payout_batches TO bascule_api;
GRANT UPDATE (state, version) ON payout_batches TO bascule_submitter;

-- It asks, approves and calls off; what became of a batch that was approved is the submitter's to say.
CREATE FUNCTION refuse_beyond_approval() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF new.state IS DISTINCT FROM old.state AND pg_has_role(session_user, 'bascule_api', 'member')
       AND NOT pg_has_role(session_user, 'bascule_submitter', 'member')
       AND (old.state, new.state) NOT IN (('validating', 'requires_action'), ('requires_action', 'processing'),
            ('requires_action', 'canceled'), ('processing', 'completed_with_failures'), ('processing', 'completed')) THEN
        RAISE EXCEPTION 'payout batch % is not for the API to make %', new.id, new.state USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
CREATE TRIGGER only_asks_and_approves BEFORE UPDATE OF state ON payout_batches
   FOR EACH ROW EXECUTE FUNCTION refuse_beyond_approval();
REVOKE EXECUTE ON FUNCTION refuse_beyond_approval() FROM PUBLIC;

-- A frozen destination is denied to everybody, as one on the operator's denylist.
CREATE OR REPLACE VIEW operators_denied AS
SELECT DISTINCT q.livemode, lower(d.address) AS address
  FROM (SELECT DISTINCT ON (p.livemode, p.token_id) p.livemode, p.rules
          FROM policies AS p JOIN accounts AS a ON a.id = p.account_id AND a.kind = 'operator'
         ORDER BY p.livemode, p.token_id, p.version DESC) AS q
 CROSS JOIN LATERAL jsonb_array_elements_text(q.rules -> 'denylist') AS d (address)
 UNION
SELECT m.livemode, substr(f.scope, length('destination:') + 1)
  FROM (SELECT DISTINCT ON (scope) scope, frozen FROM freezes
         WHERE starts_with(scope, 'destination:') ORDER BY scope, id DESC) AS f
 CROSS JOIN (VALUES (true), (false)) AS m (livemode)
 WHERE f.frozen;
