-- A node that was locked out as a liar is asked again before its time, in every process that knows it.
CREATE TABLE node_pardons (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain_id     bigint NOT NULL REFERENCES networks,
    node         text NOT NULL,                         -- as its pool calls it: host and port
    pardoned_at  timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON node_pardons FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON node_pardons FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT ON node_pardons TO bascule_watcher, bascule_submitter, bascule_worker;
