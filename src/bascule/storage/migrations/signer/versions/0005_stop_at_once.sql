-- Frozen money, chains and wallets, and destinations that are never paid; written by the owner's login alone.
CREATE TABLE signer.stops (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope    text NOT NULL CHECK (scope <> ''),         -- all, chain:…, token:…:…, wallet:…, destination:…
    stopped  boolean NOT NULL,                          -- false: released again
    reason   text NOT NULL CHECK (reason <> ''),
    by       text NOT NULL DEFAULT session_user,
    at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX signer_stops_by_scope ON signer.stops (scope, id);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON signer.stops FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON signer.stops FOR EACH STATEMENT EXECUTE FUNCTION signer.refuse_change();
GRANT SELECT ON signer.stops TO bascule_signer;
