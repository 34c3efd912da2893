-- tables:

-- name: has_version_table
-- Whether this login can see the version table of a history.
SELECT EXISTS (SELECT 1
                 FROM pg_catalog.pg_class AS c
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                WHERE n.nspname = %(schema)s
                  AND c.relname = %(table)s
                  AND has_schema_privilege(n.oid, 'USAGE')
                  AND has_table_privilege(c.oid, 'SELECT')) AS present

-- name: bridge_revision
-- The revision of the bridge's schema.
SELECT version_num FROM public.alembic_bridge

-- name: signer_revision
-- The revision of the signer's schema.
SELECT version_num FROM signer.alembic_version
