-- chain_id, token_id: null where it is about none or all of them. livemode: null where it is of the whole installation.
-- amount: base units, chain minus books where two sides differ. seen_at: when a look found it last.
-- freezes: payouts of its token wait while it is open.
ALTER TABLE breaks
    ADD COLUMN chain_id bigint REFERENCES networks,
    ADD COLUMN token_id text REFERENCES tokens,
    ADD COLUMN livemode boolean,
    ADD COLUMN amount numeric(78, 0),
    ADD COLUMN freezes boolean NOT NULL DEFAULT false,
    ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now(),
    ADD CONSTRAINT freezes_a_token CHECK (NOT freezes OR token_id IS NOT NULL);
UPDATE breaks AS b SET token_id = k.id, chain_id = k.chain_id, livemode = n.livemode, seen_at = b.opened_at,
       freezes = b.type = 'custody_residual', amount = (b.evidence ->> 'residual')::numeric
  FROM tokens AS k JOIN networks AS n ON n.chain_id = k.chain_id
 WHERE k.id = split_part(b.subject, '/', 1);
CREATE INDEX breaks_by_time ON breaks (opened_at DESC, id DESC);

CREATE FUNCTION refuse_rewritten_break() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF tg_op = 'DELETE' OR old.state = 'resolved'
       OR (new.id, new.type, new.subject, new.opened_at) <> (old.id, old.type, old.subject, old.opened_at) THEN
        RAISE EXCEPTION 'break % is never deleted, and not rewritten once it has ended', old.id USING errcode = '42501';
    END IF;
    RETURN new;
END $$;
REVOKE EXECUTE ON FUNCTION refuse_rewritten_break() FROM PUBLIC;
CREATE TRIGGER kept_for_ever BEFORE UPDATE OR DELETE ON breaks FOR EACH ROW EXECUTE FUNCTION refuse_rewritten_break();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON breaks FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What open breaks stop: the scope of each token, as an operator's freeze would name it.
CREATE VIEW frozen_by_breaks AS
SELECT DISTINCT ON (k.id) format('token:%s:0x%s', k.chain_id, encode(k.contract, 'hex')) AS scope,
       b.type || ' ' || b.id AS reason, b.opened_at AS at
  FROM breaks AS b JOIN tokens AS k ON k.id = b.token_id
 WHERE b.state = 'open' AND b.freezes ORDER BY k.id, b.opened_at;
GRANT SELECT ON frozen_by_breaks TO bascule_api, bascule_submitter, bascule_watcher, bascule_worker;

GRANT SELECT ON breaks, reconciliations TO bascule_api;
GRANT UPDATE (state, resolved_at, resolution) ON breaks TO bascule_api;
GRANT UPDATE (evidence, amount, freezes, seen_at) ON breaks TO bascule_watcher;
