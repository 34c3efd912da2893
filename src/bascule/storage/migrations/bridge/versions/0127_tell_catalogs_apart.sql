-- Which rows of networks and tokens are current: each change of one gives it another place or another writer. A view, so
-- that any statement can ask for it in its own snapshot.
CREATE VIEW known_catalog AS
SELECT coalesce(string_agg(c.row_word, ';'), '') AS word
  FROM (SELECT concat('n', n.ctid, n.xmin) AS row_word FROM networks n
         UNION ALL SELECT concat('k', k.ctid, k.xmin) FROM tokens k
         UNION ALL SELECT concat('s', s.token_id, ' ', s.cause) FROM token_suspensions s WHERE s.ended_at IS NULL) AS c;
GRANT SELECT ON known_catalog TO bascule_api, bascule_watcher, bascule_submitter, bascule_worker, bascule_auditor;
