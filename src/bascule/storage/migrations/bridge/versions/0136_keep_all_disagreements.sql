-- Each process has its own answers from nodes: evidence that only the watcher may keep is lost elsewhere, and
-- the API's nodes are let back by the same word of an operator as everybody's.
GRANT INSERT ON node_disagreements TO bascule_api, bascule_submitter, bascule_worker;
GRANT SELECT ON node_pardons TO bascule_api;
