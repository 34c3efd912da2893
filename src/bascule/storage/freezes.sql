-- tables: freezes

-- name: set
-- Freezes a scope or releases it.
INSERT INTO freezes (scope, frozen, reason) VALUES (%(scope)s, %(frozen)s, %(reason)s);

-- name: standing
-- Everything that is frozen now, the oldest first.
SELECT n.scope, n.reason, n.at
  FROM (SELECT DISTINCT ON (scope) id, scope, frozen, reason, at FROM freezes ORDER BY scope, id DESC) AS n
 WHERE n.frozen ORDER BY n.id;
