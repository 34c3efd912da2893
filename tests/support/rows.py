"""All rows of a database, kept and put back: a test begins as the one before it did, and stays connected."""

from __future__ import annotations

from bascule.storage.database import Database

# Tables of every schema of ours; a partition of what was kept is emptied with its parent.
_OURS = """
    SELECT format('%I.%I', n.nspname, c.relname) AS name, n.nspname || '.' || c.relname AS kept
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
       AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'kept')
"""
_KEEP = f"""
DO $$ DECLARE each record; BEGIN
    CREATE SCHEMA kept;
    FOR each IN {_OURS} LOOP
        EXECUTE format('CREATE TABLE kept.%I AS TABLE %s', each.kept, each.name);
    END LOOP;
END $$
"""
# As replica, so that neither foreign keys nor the triggers of append-only tables speak.
_RESTORE = f"""
DO $$ DECLARE each record; written boolean; columns text; BEGIN
    SET LOCAL session_replication_role = replica;
    FOR each IN {_OURS} LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %s) OR EXISTS (SELECT FROM kept.%I)', each.name, each.kept)
           INTO written;
        CONTINUE WHEN NOT written;
        EXECUTE format('DELETE FROM %s', each.name);
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
         WHERE attrelid = each.name::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
        EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM kept.%I',
                       each.name, columns, columns, each.kept);
    END LOOP;
END $$
"""


async def keep_rows(owner: Database) -> None:
    """What every table holds now is what `restore_rows` brings back."""
    async with owner.transaction() as conn:
        await conn.execute(_KEEP)


async def restore_rows(owner: Database) -> None:
    """Every table holds what was kept, and nothing else; nobody else is writing. Sequences go on counting."""
    async with owner.transaction() as conn:
        await conn.execute(_RESTORE)
