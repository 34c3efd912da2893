-- tables: freezes

-- name: set
-- Freezes a scope or releases it.
INSERT INTO freezes (scope, frozen, reason) VALUES (%(scope)s, %(frozen)s, %(reason)s);

-- name: standing
-- Everything that is frozen now, by an operator or by an open break, the oldest first.
SELECT n.scope, n.reason, n.at
  FROM (SELECT DISTINCT ON (scope) scope, frozen, reason, at FROM freezes ORDER BY scope, id DESC) AS n
 WHERE n.frozen
 UNION ALL
SELECT b.scope, b.reason, b.at FROM frozen_by_breaks AS b
 ORDER BY at, scope;
