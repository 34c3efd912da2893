"""Fee invoices: what was withheld in a month whose books are closed, once for ever."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from bascule.domain.platform_fee import FeeTerms
from bascule.entrypoints.web.invoice_view import view
from bascule.entrypoints.web.pages import page as render
from bascule.services import invoice_view
from bascule.services.biller import Biller
from bascule.services.outbox import Outbox
from bascule.services.seams import SystemClock, SystemEntropy
from bascule.storage import fees, invoices, ledger, listing, periods
from bascule.storage.database import Database
from tests.support.books import FORWARDER, MERCHANT, VAULT, Books, in_transaction

Open = Callable[[str], Awaitable[Database]]


@pytest.fixture
async def books(db: Database) -> Books:
    books = Books(db)
    await books.set_up()
    await books.opening(VAULT, 0, number=9)
    async with db.transaction() as conn:
        await fees.set_version(conn, MERCHANT, "usdc", FeeTerms(100, 5 * 10**12), None)
    return books


def month(ago: int) -> datetime:
    """The first moment of the month so many months ago."""
    now = datetime.now(UTC)
    total = now.year * 12 + now.month - 1 - ago
    return datetime(total // 12, total % 12 + 1, 1, tzinfo=UTC)


async def paid(books: Books, at: datetime, amount: int) -> None:
    """A payment of that moment, booked with its fee."""
    deposit = await books.deposit("payment", FORWARDER, amount, applied=amount)
    await books.run("UPDATE blocks SET block_time = %s", at)
    await books.run("UPDATE deposits SET block_time = %s WHERE id = %s", at, deposit)
    await in_transaction(books.db, ledger.post_deposits, [deposit])


async def close(books: Books, until: datetime) -> None:
    await books.run("UPDATE blocks SET block_time = now()")
    async with books.db.transaction() as conn:
        await periods.close(conn, until)


async def invoices_of(db: Database) -> list[dict[str, Any]]:
    async with db.read() as conn:
        page = await listing.page(conn, listing.INVOICES, [], [], listing.Wanted())
        return await invoice_view.describe(conn, page.ids)


async def test_fees_of_a_closed_month_are_one_invoice_which_is_paid(books: Books, db_as: Open) -> None:
    worker, clock, entropy = await db_as("worker"), SystemClock(), SystemEntropy()
    billers = [Biller(worker, clock, entropy, Outbox(clock, entropy)) for _ in range(3)]
    await paid(books, month(2), 1_000)
    await paid(books, month(1) - timedelta(microseconds=1), 500)
    await paid(books, month(1), 9_999)

    assert await billers[0].run_once() == 0, "its books are not closed"
    await close(books, month(1))
    assert sorted(await asyncio.gather(*(biller.run_once() for biller in billers))) == [0, 0, 1]
    assert await billers[0].run_once() == 0

    [invoice] = await invoices_of(books.db)
    assert (invoice["type"], invoice["status"], invoice["number"]) == (
        "platform_fees", "paid", "TEST-FEE-000001",
    )  # fmt: skip
    assert [(line["description"], line["amount"]) for line in invoice["lines"]] == [
        ("Share of 2 payments of 0.001500 USDC on local", "0.000015"),
        ("Fixed part of 2 payments of 0.001500 USDC on local", "0.000005"),
    ]
    assert (invoice["total"], invoice["amount_received"], invoice["amount_remaining"]) == (
        "0.000020", "0.000020", "0.000000",
    )  # fmt: skip
    assert invoice["period"] == {"start": month(2).timestamp(), "end": month(1).timestamp()}
    assert (invoice["seller"]["name"], invoice["customer"]["name"]) == ("O", "M")
    async with books.db.read() as conn:
        row = (await invoices.of_ids(conn, [invoice["id"]]))[invoice["id"]]
        page = bytes(render("invoice.html", **view(row, clock.now(), "http://bridge.test")).body).decode()
        assert all(words in page for words in ("Withheld", "0.00002 USDC", f"{month(2):%B %Y}", "FEE-000001"))
        assert "/c/" not in page
        told = await conn.execute("SELECT type, account_id FROM outbox WHERE object_id = %s", [invoice["id"]])
        assert await told.fetchall() == [("invoice.paid", MERCHANT)]


async def test_a_months_fees_are_stated_once_for_ever_and_not_before_it_is_closed(
    books: Books, db_as: Open
) -> None:
    clock, entropy = SystemClock(), SystemEntropy()
    biller = Biller(await db_as("worker"), clock, entropy, Outbox(clock, entropy))
    await paid(books, month(2), 1_000)
    await close(books, month(1))
    await biller.run_once()

    await paid(books, month(1), 1_500)  # as much was withheld in the month that is open
    same = "INSERT INTO invoices SELECT (jsonb_populate_record(i, %s)).* FROM invoices AS i"
    with pytest.raises(psycopg.errors.UniqueViolation, match="one_fee_invoice_a_month"):
        await books.run(same, '{"id": "in_again"}')
    with pytest.raises(
        psycopg.errors.InsufficientPrivilege, match="once the books of their month are closed"
    ):
        await books.run(same, f'{{"month": "{month(1):%Y-%m-%d}"}}')
    for other in (f'"month": "{month(3):%Y-%m-%d}"', '"account_id": "acct_operator"', '"livemode": true'):
        with pytest.raises(psycopg.errors.CheckViolation, match="states 15000000000000, 0 was withheld"):
            await books.run(same, "{" + other + "}")
