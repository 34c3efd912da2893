"""Composed lists: the metadata they are composed over is the schema's own."""

from bascule.storage.database import Database
from bascule.storage.listing import METADATA

KINDS = {
    "TEXT": "text",
    "BOOLEAN": "boolean",
    "BIGINT": "bigint",
    "INTEGER": "integer",
    "NUMERIC": "numeric",
    "JSONB": "jsonb",
    "BLOB": "bytea",
    "DATETIME": "timestamp with time zone",
}


async def test_metadata_of_lists_agrees_with_the_migrated_schema(db: Database) -> None:
    async with db.read() as conn:
        rows = await (
            await conn.execute(
                "SELECT table_name, column_name, data_type FROM information_schema.columns"
                " WHERE table_schema = 'public'"
            )
        ).fetchall()

    actual = {(str(table), str(name), str(kind)) for table, name, kind in rows}
    listed = {(t.name, c.name, KINDS[str(c.type)]) for t in METADATA.sorted_tables for c in t.columns}
    assert listed
    assert listed - actual == set()
