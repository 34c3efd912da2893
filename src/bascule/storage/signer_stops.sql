-- tables: signer.stops

-- name: set
-- Stops a scope or releases it.
INSERT INTO signer.stops (scope, stopped, reason) VALUES (%(scope)s, %(stopped)s, %(reason)s)

-- name: among
-- Those of some scopes that are stopped now.
SELECT s.scope FROM unnest(%(scopes)s::text[]) AS s (scope)
 WHERE (SELECT n.stopped FROM signer.stops AS n WHERE n.scope = s.scope ORDER BY n.id DESC LIMIT 1)

-- name: standing
-- Everything that is stopped now, the oldest first.
SELECT n.scope, n.reason, n.by, n.at
  FROM (SELECT DISTINCT ON (scope) id, scope, stopped, reason, by, at FROM signer.stops ORDER BY scope, id DESC) AS n
 WHERE n.stopped ORDER BY n.id
