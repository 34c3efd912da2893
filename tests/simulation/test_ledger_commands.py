"""Random commands against the books: after each one they are what a small pure model says."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from bascule.storage import periods, reconciliations
from bascule.storage.database import Database
from tests.support.ledger_commands import PLACES, begun, history
from tests.support.postgres import TestServer
from tests.support.rebuilding import compared_by_rows, empty_beside, said

DAY = timedelta(days=1)
FAR = datetime(9999, 1, 1, tzinfo=UTC)


@pytest.fixture
async def anew(postgres_server: TestServer, database_name: str) -> AsyncIterator[Database]:
    """An empty database of the newest schema."""
    async with empty_beside(postgres_server, f"{database_name}_rebuild") as made:
        yield made


async def test_random_commands_leave_the_books_as_the_model_has_them(db: Database, anew: Database) -> None:
    run = await history(db, 4, 80)
    assert said(await compared_by_rows(db, anew)) == [], "and as they are when they are made anew"

    assert run.done.keys() == {"paid", "insufficient_funds", "halted", "over_refund"}, (
        "the commands met too little"
    )


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 16))
async def test_many_random_commands_leave_the_books_as_the_model_has_them(
    db: Database, anew: Database, seed: int
) -> None:
    await history(db, seed, 600)

    found = await compared_by_rows(db, anew)
    assert said(found) == []
    assert found.transactions > 250


# ───────── days ─────────


async def residual(db: Database) -> int:
    """What lies at our addresses by all transfers, less what the books say of it."""
    async with db.read() as conn:
        [subject] = [s for s in await reconciliations.subjects(conn) if s.token_id == "tok_usd"]
        books = await reconciliations.books(conn, subject)
        rows = await conn.execute("SELECT src, dst, amount::numeric FROM transfers")
        moved = await rows.fetchall()
    on_chain = sum(int(amount) * ((dst in PLACES) - (src in PLACES)) for src, dst, amount in moved)
    return on_chain - books.journal - books.unbooked


async def days(db: Database, seed: int, count: int) -> None:
    """Each day a block and a few commands; at noon of the next its books close, nothing is unexplained."""
    run = await begun(db, seed)
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - (count + 2) * DAY
    stood = []
    for day in range(count):
        await run.next_block(first + (day + 0.5) * DAY)
        if day:
            async with db.transaction() as conn:
                await periods.close(conn, first + day * DAY)
        for _ in range(3):
            await run.chain_step()
        assert await residual(db) == 0
        stood.append({code: posted for code, posted in run.model.posted.items() if posted})
    async with db.read() as conn:
        closed = await periods.closed(conn)
        for day, expected in enumerate(stood):
            end = first + (day + 1) * DAY - timedelta(microseconds=1)
            found = await periods.balances_at(conn, end, known_at=FAR)
            assert {each.code: each.posted for each in found} == expected, day
    assert len(closed) == count - 1
    assert all(before.until == after.since for before, after in pairwise(closed))
    await run.end()


async def test_random_days_close_with_nothing_unexplained(db: Database) -> None:
    await days(db, 3, 8)


@pytest.mark.slow
async def test_two_hundred_random_days_close_with_nothing_unexplained_and_are_the_same_made_anew(
    db: Database, anew: Database
) -> None:
    await days(db, 4, 200)
    found = await compared_by_rows(db, anew)
    assert said(found) == []
    assert found.transactions > 250
