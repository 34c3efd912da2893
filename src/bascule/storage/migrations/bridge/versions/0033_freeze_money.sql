-- Frozen money and chains; the newest row of a scope rules. The signer keeps the same in a schema of its own, and
-- signs nothing of it whatever stands here.
CREATE TABLE freezes (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope   text NOT NULL CHECK (scope <> ''),          -- all, chain:…, token:…:…, wallet:…, destination:…
    frozen  boolean NOT NULL,
    reason  text NOT NULL CHECK (reason <> ''),
    at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX freezes_by_scope ON freezes (scope, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON freezes FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON freezes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT ON freezes TO bascule_api, bascule_submitter, bascule_watcher, bascule_worker;
