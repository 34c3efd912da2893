"""Books made anew beside a test's own: in an empty database that goes with the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from psycopg import sql

from bascule.services.rebuilding import posted_and_compared
from bascule.storage.database import Database
from bascule.storage.rebuild import chain_facts, copies
from bascule.storage.rebuild.differences import Compared
from bascule.storage.rebuild.scratch import opened
from tests.support.postgres import TestServer


@asynccontextmanager
async def empty_beside(server: TestServer, name: str) -> AsyncIterator[Database]:
    """An empty database, as `scratch` makes one, but of the template."""
    server.create(name)
    try:
        async with opened(server.url_of(name)) as db:
            yield db
    finally:
        server.drop(name)


async def compared_by_rows(live: Database, into: Database) -> Compared:
    """For histories that were on no chain: their rows of blocks, transfers and receipts are taken for one."""
    final = await copies.copy_all(live, into)
    async with into.read() as conn:
        await chain_facts.prepare(conn)
        async with live.read() as out:
            for table in ("blocks", "transfers"):
                await copies.copy_rows(out, conn, ("public", table), sql.Identifier("public", table))
        await conn.execute(
            "DELETE FROM transfers AS t USING cursors AS c"
            " WHERE c.chain_id = t.chain_id AND (NOT t.canonical OR t.block_number > c.finalized_number)"
        )
        await conn.execute(
            "INSERT INTO mined SELECT tx_hash, chain_id, block_hash, block_number, fee_paid FROM attempts"
            " WHERE state = 'final'"
        )
    return await posted_and_compared(into, [each.chain_id for each in final], lambda *_: None)


def said(found: Compared) -> list[str]:
    """Each difference in a line."""
    return [
        f"{each.transaction or '-'} | {each.fact} | {each.what} | {each.expected} | {each.found}"
        for each in found.differences
    ]
