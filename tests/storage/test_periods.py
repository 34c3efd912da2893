"""Closing the books: when it is refused, what it keeps, and where late facts go."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from bascule.domain.errors import Conflict
from bascule.storage import ledger, periods
from bascule.storage.database import Database
from bascule.storage.invariants.check import Check
from bascule.storage.ledger import PeriodClosed, _refusals
from bascule.storage.verification import verify, wrong_rows
from tests.support.books import (
    CHAIN,
    FINAL_BLOCK,
    HEAD_BLOCK,
    MERCHANT,
    STRANGER,
    VAULT,
    Books,
    in_transaction,
)

Open = Callable[[str], Awaitable[Database]]
DAY = timedelta(days=1)
CLOSINGS = Check("G3", "each closing is the sum of its entries", "journal", ("closings",))
FAR = datetime(9999, 1, 1, tzinfo=UTC)
POST = (
    "SELECT ledger.post('hold', 'x', 'hold', NULL, NULL, %s, ARRAY[1, 2]::bigint[], ARRAY[0, 0]::smallint[],"
    " ARRAY[1, -1]::numeric[])"
)


class Days:
    """Books whose final block is of a day that a test chooses; `midnight(0)` began four days ago."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - 4 * DAY

    def midnight(self, number: int) -> datetime:
        return self.first + number * DAY

    async def now(self, number: int) -> None:
        """The final block is of this day's noon."""
        await self.books.run("UPDATE blocks SET block_time = %s", self.midnight(number) + DAY / 2)

    async def deposit(self, amount: int) -> str:
        """Capital of the present day, booked."""
        deposit = await self.unbooked(amount)
        await in_transaction(self.books.db, ledger.post_deposit, deposit)
        return deposit

    async def unbooked(self, amount: int) -> str:
        deposit = await self.books.deposit("capital", VAULT, amount)
        await self.books.run(
            "UPDATE deposits SET block_time = (SELECT min(block_time) FROM blocks) WHERE id = %s", deposit
        )
        return deposit


@pytest.fixture
async def days(db: Database) -> Days:
    books = Books(db)
    await books.set_up()
    return Days(books)


async def close(db: Database, until: datetime) -> None:
    async with db.transaction() as conn:
        await periods.close(conn, until)


async def vault_at(db: Database, at: datetime, known_at: datetime | None = FAR) -> int:
    async with db.read() as conn:
        found = await periods.balances_at(conn, at, known_at=known_at)
    assert sum(each.posted for each in found) == 0
    return sum(each.posted for each in found if each.code == "custody:vault")


async def test_balance_at_a_time_is_the_same_before_and_after_closing(
    db: Database, days: Days, db_as: Open
) -> None:
    for number in range(4):
        await days.now(number)
        await days.deposit(10**number)
    moments = [days.midnight(n) + DAY * part for n in range(-1, 5) for part in (0, 0.5, 0.9)]
    before = [await vault_at(db, at) for at in moments]

    for number in (1, 2):
        await close(await db_as("worker"), days.midnight(number))

    assert [await vault_at(db, at) for at in moments] == before
    assert sorted(set(before)) == [0, 1, 11, 111, 1111]
    async with db.read() as conn:
        first, second = await periods.closed(conn)
        assert first.until == second.since == days.midnight(1)
        assert (first.accounts, second.accounts) == (2, 2)
        assert await periods.balances_at(conn, moments[-1], known_at=FAR, account_id=MERCHANT) == []


SUMMED = """
SELECT coalesce(sum(e.amount), 0)::bigint FROM ledger.entry AS e JOIN ledger.tx AS t ON t.id = e.tx_id
 WHERE e.account_id = 1 AND e.layer = 0 AND t.effective_at <= %s AND t.recorded_at <= %s
"""
AROUND_AN_HOUR = [timedelta(hours=h, microseconds=us) for h in (0, 1, 2, 26) for us in (-1, 0, 1)]


async def test_balance_at_a_time_is_the_sum_of_entries_until_then(db: Database, days: Days) -> None:
    """Around each full hour, before and after books that are closed at one or within one."""
    await days.now(0)
    await days.deposit(1)
    noon = days.midnight(0) + DAY / 2
    learned = []
    for number, apart in enumerate(AROUND_AN_HOUR + AROUND_AN_HOUR[::2]):
        units = 3**number
        await days.books.run(
            "SELECT ledger.post('hold', %s, 'hold', NULL, NULL, %s, ARRAY[1, 2, 2, 1]::bigint[],"
            " ARRAY[0, 0, 1, 2]::smallint[], %s::numeric[])",
            *(str(number), noon + apart, [units, -units, 1, -1]),
        )
        learned.append(datetime.now(UTC))

    moments = [noon + apart for apart in (*AROUND_AN_HOUR, timedelta(hours=1.5), DAY)]
    for closed in (None, noon + timedelta(hours=1), noon + timedelta(hours=1.25)):
        if closed is not None:
            await days.now(3)
            await close(db, closed)
        for known_at in (FAR, learned[3], learned[-5]):
            async with db.read() as conn:
                summed = [await (await conn.execute(SUMMED, [at, known_at])).fetchone() for at in moments]
            assert [(await vault_at(db, at, known_at),) for at in moments] == summed, (closed, known_at)
            if known_at == FAR:
                assert [(await vault_at(db, at, None),) for at in moments] == summed, closed


async def test_what_is_learned_of_a_closed_period_is_effective_in_the_open_one(
    db: Database, days: Days
) -> None:
    await days.now(0)
    await days.deposit(1)
    await days.now(3)
    await close(db, days.midnight(2))
    learned = datetime.now(UTC)
    await days.now(1)

    await days.deposit(10)

    assert await vault_at(db, days.midnight(2) - timedelta(microseconds=1)) == 1
    assert await vault_at(db, days.midnight(2)) == 11
    assert await vault_at(db, days.midnight(2), known_at=learned) == 1
    await days.now(0)
    assert await verify(db) == []


async def test_nothing_else_becomes_effective_in_a_closed_period(db: Database, days: Days) -> None:
    await days.now(3)
    await days.deposit(1)
    await close(db, days.midnight(1))

    with pytest.raises(PeriodClosed, match="nothing becomes effective") as refused, _refusals():
        await days.books.run(POST, days.midnight(0))

    assert refused.value.code == "period_closed"
    assert await vault_at(db, FAR) == 1
    await days.books.run(POST, days.midnight(1))  # the first moment that is open


async def test_period_is_not_closed_too_early_or_twice(db: Database, days: Days) -> None:
    await days.now(1)
    for until, code, words in [
        (days.midnight(4), "period_not_over", "a day after its end"),
        (days.midnight(2), "period_not_over", "chain 31337 is final up to"),
    ]:
        with pytest.raises(Conflict, match=words) as refused:
            await close(db, until)
        assert refused.value.code == code

    waiting = await days.unbooked(5)
    await days.now(3)
    with pytest.raises(Conflict, match=f"{waiting} is not booked yet"):
        await close(db, days.midnight(2))

    await in_transaction(db, ledger.post_deposit, waiting)
    await close(db, days.midnight(2))
    for again in (days.midnight(2), days.midnight(1)):
        with pytest.raises(Conflict, match="already") as refused:
            await close(db, again)
        assert refused.value.code == "period_closed"
    async with db.read() as conn:
        assert [each.until for each in await periods.closed(conn)] == [days.midnight(2)]


async def test_period_is_not_closed_before_what_left_us_without_a_payout_is_booked(
    db: Database, days: Days
) -> None:
    await days.now(3)
    before = bytes([FINAL_BLOCK[0] - 1]) * 32
    await days.books.run(
        "INSERT INTO blocks (chain_id, hash, number, parent, block_time) VALUES (%s, %s, %s, %s, %s)",
        *(CHAIN, before, before[0], bytes(32), days.midnight(0)),
    )
    opening = await days.books.opening(VAULT, 10, number=1)
    await in_transaction(db, ledger.post_opening, opening)
    index = await days.books.transfer(VAULT, STRANGER, 5, block=before)
    with pytest.raises(Conflict, match=r"money left in transaction 0x[0-9a-f]{64} and is not") as refused:
        await close(db, days.midnight(1))
    assert refused.value.code == "period_not_over"
    await close(db, days.midnight(0))  # it left later

    async with db.transaction() as conn:
        await ledger.post_outflow(conn, CHAIN, before, index)
    await close(db, days.midnight(1))


async def test_what_began_before_a_closing_does_not_become_effective_in_it(db: Database, days: Days) -> None:
    """What is posted was younger than a day when its transaction began, and is older when it is written."""
    await days.books.run("UPDATE blocks SET block_time = now()")
    await days.deposit(1)
    async with db.transaction() as conn:
        cursor = await conn.execute("SELECT now() - interval '1 day' + interval '1 ms'")
        moment: datetime = (await cursor.fetchall())[0][0]
        await asyncio.sleep(0.1)
        await close_in_its_own_context(db, moment + timedelta(milliseconds=1))

        with pytest.raises(PeriodClosed, match="nothing becomes effective"), _refusals():
            await conn.execute(POST.encode(), [moment])
        raise psycopg.Rollback


async def close_in_its_own_context(db: Database, until: datetime) -> None:
    async with await psycopg.AsyncConnection.connect(db.url, autocommit=True) as conn, conn.transaction():
        await periods.close(conn, until)


async def test_of_two_who_close_the_books_one_waits_and_is_told(db: Database, days: Days) -> None:
    await days.now(3)
    await days.deposit(1)
    async with db.transaction() as conn:
        await periods.close(conn, days.midnight(1))
        second = asyncio.create_task(close_in_its_own_context(db, days.midnight(1)))
        await asyncio.sleep(0.2)
        assert not second.done()

    with pytest.raises(Conflict, match="already") as refused:
        await second
    assert refused.value.code == "period_closed"


async def test_books_are_closed_and_old_facts_posted_by_what_is_committed_alone(
    db: Database, days: Days
) -> None:
    """A snapshot from before would leave out what was posted since, or not see that a period has closed."""
    await days.now(3)
    at = days.midnight(1)
    for words in ("SELECT ledger.close_period(%s)", POST):
        async with db.transaction() as conn:
            await conn.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            with pytest.raises(psycopg.errors.ActiveSqlTransaction, match="reads what was"):
                await conn.execute(words.encode(), [at])
            raise psycopg.Rollback


async def test_period_is_not_closed_while_a_payout_left_in_it_and_is_not_booked(
    db: Database, days: Days
) -> None:
    await days.now(3)
    await days.books.run("UPDATE cursors SET finalized_number = 11, finalized_hash = %s", HEAD_BLOCK)
    await days.books.run("UPDATE blocks SET block_time = %s WHERE number = 10", days.midnight(0))
    await days.deposit(50)
    payout = await days.books.payout(20)
    await in_transaction(db, ledger.post_hold, payout)
    await days.books.run("UPDATE payouts SET state = 'in_transit', vault_id = 1 WHERE id = %s", payout)
    index = await days.books.transfer(VAULT, STRANGER, 20)
    with pytest.raises(Conflict, match=f"payout {payout} left and is not booked yet"):
        await close(db, days.midnight(1))

    await days.books.run(
        "UPDATE payouts SET state = 'paid', paid_at = now(), paid_block_hash = %s, paid_log_index = %s",
        *(FINAL_BLOCK, index),
    )
    await in_transaction(db, ledger.post_payout, payout)
    await close(db, days.midnight(1))
    assert await vault_at(db, days.midnight(0)) == 30


async def test_closed_period_stays_as_it_is_even_for_the_owner(db: Database, days: Days) -> None:
    await days.now(3)
    await days.deposit(1)
    await close(db, days.midnight(1))

    for words in (
        "UPDATE ledger.{} SET until = until",
        "DELETE FROM ledger.{}",
        "TRUNCATE ledger.{} CASCADE",
    ):
        for table in ("period", "closing"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege, match="for ever"):
                await days.books.run(words.format(table))


async def test_what_moments_and_hours_are_tallied_with_follows_entries_alone(
    db: Database, days: Days
) -> None:
    await days.now(3)
    await days.deposit(1)

    for words in (
        "INSERT INTO ledger.tally VALUES (1, true, now(), 1)",
        "UPDATE ledger.tally SET posted = posted + 1",
        "DELETE FROM ledger.tally",
        "TRUNCATE ledger.tally",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="tallies follow entries"):
            await days.books.run(words)
        assert await vault_at(db, FAR) == 1, words


async def test_closing_that_is_not_what_its_entries_say_is_named(db: Database, days: Days) -> None:
    for number in range(4):
        await days.now(number)
        await days.deposit(10**number)
    for number in (1, 2):
        await close(db, days.midnight(number))

    for words, named in [
        ("SELECT 1", []),
        ("UPDATE ledger.closing SET posted = posted * 2 WHERE until = '{0}'", [0, 0, 1, 1]),
        ("DELETE FROM ledger.closing WHERE until = '{1}'", [1, 1]),
        ("UPDATE ledger.tx SET effective_at = '{0}' WHERE id = 1", [0, 0, 1, 1]),
    ]:
        ends: list[str] = []
        async with db.transaction() as conn:
            await conn.execute("SET LOCAL session_replication_role = 'replica'")
            await conn.execute(words.format(days.midnight(1), days.midnight(2)).encode())
            ends = [each.found[:23] for each in await wrong_rows(conn, [CLOSINGS])]
            raise psycopg.Rollback
        assert ends == [f"closed until {days.midnight(n + 1):%Y-%m-%d}" for n in named], words


async def test_no_process_but_the_worker_closes_the_books(db_as: Open, days: Days) -> None:
    for who in ("api", "watcher", "submitter"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="permission denied"):
            await close(await db_as(who), days.midnight(1))
