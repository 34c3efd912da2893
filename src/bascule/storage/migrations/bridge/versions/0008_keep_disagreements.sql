-- Answers of nodes that contradict a hash, or another node's answer: evidence, for ever.
CREATE TABLE node_disagreements (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain_id      bigint NOT NULL REFERENCES networks,
    node          text NOT NULL,                        -- its host; never its path or user, which may be secrets
    other         text,                                 -- null: no second node answered
    why           text NOT NULL,
    refuted       boolean NOT NULL,                     -- the first one is proven wrong
    request       bytea NOT NULL CHECK (octet_length(request) <= 262144),
    answer        bytea NOT NULL CHECK (octet_length(answer) <= 262144),
    answer_size   bigint NOT NULL CHECK (answer_size >= octet_length(answer)),  -- of the whole of it
    other_answer  bytea CHECK (octet_length(other_answer) <= 262144),
    other_size    bigint CHECK (other_size >= octet_length(other_answer)),
    seen_at       timestamptz NOT NULL,
    CONSTRAINT other_has_answered CHECK (num_nulls(other, other_answer, other_size) IN (0, 3))
);
CREATE INDEX node_disagreements_by_node ON node_disagreements (chain_id, node, seen_at);
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON node_disagreements FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER never_emptied BEFORE TRUNCATE ON node_disagreements FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
GRANT SELECT ON node_disagreements TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker;
GRANT INSERT ON node_disagreements TO bascule_watcher;
