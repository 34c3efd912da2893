-- tables:

-- name: existing
-- Which of these roles the cluster has.
SELECT rolname FROM pg_catalog.pg_roles WHERE rolname = ANY (%(names)s::text[]) ORDER BY rolname

-- name: attributes
-- What the current login may do by itself, and whether it owns (or belongs to an owner of) anything of ours.
SELECT r.rolsuper       AS superuser,
       r.rolcreaterole  AS createrole,
       r.rolcreatedb    AS createdb,
       r.rolbypassrls   AS bypassrls,
       r.rolreplication AS replication,
       EXISTS (SELECT 1
                 FROM pg_catalog.pg_class AS c
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                WHERE n.nspname IN ('public', 'ledger', 'signer')
                  AND pg_has_role(current_user, c.relowner, 'MEMBER')) AS owner
  FROM pg_catalog.pg_roles AS r
 WHERE r.rolname = current_user

-- name: memberships
-- Every other role the current login belongs to, directly or through another.
SELECT g.rolname
  FROM pg_catalog.pg_roles AS g
 WHERE g.rolname <> current_user
   AND pg_has_role(current_user, g.oid, 'MEMBER')
 ORDER BY g.rolname
