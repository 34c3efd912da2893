"""Composed lists: the metadata they are composed over is the schema's own."""

import pytest
from sqlalchemy import Table

from bascule.storage.database import Database
from bascule.storage.listing import METADATA

KINDS = {
    "TEXT": "text",
    "BOOLEAN": "boolean",
    "BIGINT": "bigint",
    "BLOB": "bytea",
    "DATETIME": "timestamp with time zone",
}


@pytest.mark.parametrize("table", METADATA.sorted_tables, ids=lambda table: table.name)
async def test_metadata_of_lists_agrees_with_the_migrated_schema(db: Database, table: Table) -> None:
    async with db.read() as conn:
        rows = await (
            await conn.execute(
                "SELECT column_name, data_type FROM information_schema.columns"
                " WHERE table_schema = 'public' AND table_name = %s",
                [table.name],
            )
        ).fetchall()

    actual = {str(name): str(kind) for name, kind in rows}
    assert {c.name: KINDS[str(c.type)] for c in table.columns}.items() <= actual.items()
