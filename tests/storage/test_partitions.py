"""The journal never runs out of partitions, and a new one keeps every rule of the first."""

import asyncio
import re

import psycopg
import pytest

from bascule.services.partitioner import Partitioner
from bascule.storage import ledger
from bascule.storage.database import Connection, Database
from bascule.storage.verification import verify
from tests.support.books import Books, fund, in_transaction, posted

LAST = 99_999_999  # the last transaction of the first partition


@pytest.fixture
async def books(db: Database) -> Books:
    made = Books(db)
    await made.set_up()
    return made


async def partitions(conn: Connection) -> list[str]:
    rows = await conn.execute(
        "SELECT inhrelid::regclass::text FROM pg_inherits"
        " WHERE inhparent = 'ledger.entry'::regclass ORDER BY 1"
    )
    return [name for (name,) in await rows.fetchall()]


async def test_next_partition_is_made_while_the_newest_is_half_empty(db: Database, books: Books) -> None:
    await fund(books)
    assert await Partitioner(db).run_once() == 0

    await books.run("SELECT setval('ledger.tx_id_seq', 50000000)")

    made = await asyncio.gather(Partitioner(db).run_once(), Partitioner(db).run_once())
    assert sorted(made) == [0, 1]
    async with db.read() as conn:
        assert await partitions(conn) == ["ledger.entry_0", "ledger.entry_1"]


async def test_postings_go_on_across_the_end_of_a_partition(db: Database, books: Books) -> None:
    await books.run("SELECT setval('ledger.tx_id_seq', %s)", LAST - 1)
    await fund(books, 100)
    payout = await books.payout(40)
    with pytest.raises(psycopg.errors.CheckViolation, match="no partition"):
        await books.run("SELECT ledger.post_hold(%s)", payout)

    await Partitioner(db).run_once()
    await in_transaction(db, ledger.post_hold, payout)

    async with db.read() as conn:
        rows = await conn.execute(
            "SELECT tableoid::regclass::text, count(*) FROM ledger.entry GROUP BY 1 ORDER BY 1"
        )
        assert await rows.fetchall() == [("ledger.entry_0", 2), ("ledger.entry_1", 2)]
    assert (await posted(db))["available:acct_operator"] == -100
    assert {str(wrong) for wrong in await verify(db)} == set()


SHAPES = (
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = %s::regclass",
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass",
    "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = %s::regclass",
)


@pytest.mark.parametrize("shape", SHAPES)
async def test_new_partition_has_every_guard_and_index_of_the_first(
    db: Database, books: Books, shape: str
) -> None:
    await books.run("SELECT setval('ledger.tx_id_seq', 50000000)")
    await Partitioner(db).run_once()

    async with db.read() as conn:
        first, second = [await definitions(conn, shape, f"ledger.entry_{n}") for n in (0, 1)]

    assert first == second
    assert first


async def definitions(conn: Connection, shape: str, table: str) -> list[str]:
    rows = await conn.execute(shape.encode(), [table])
    return sorted(re.sub(r"entry_[01]\w*|\w+_idx\d*", "X", row[0]) for row in await rows.fetchall())
