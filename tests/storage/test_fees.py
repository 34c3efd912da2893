"""Platform fees in the books: lines of their own, by the version in force, each once."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from bascule.domain.errors import Rejected
from bascule.domain.platform_fee import FeeTerms
from bascule.storage import fees, ledger
from bascule.storage.database import Connection, Database
from bascule.storage.verification import verify
from tests.support.books import FORWARDER, MERCHANT, VAULT, Books, in_transaction, posted

Open = Callable[[str], Awaitable[Database]]
ONE_PER_CENT_AND_FIVE = FeeTerms(100, 5 * 10**12)  # five base units of a token of six decimals


@pytest.fixture
async def books(db: Database) -> Books:
    books = Books(db)
    await books.set_up()
    for address in (VAULT,):
        await books.opening(address, 0, number=9)
    return books


async def charge(
    db: Database, terms: FeeTerms = ONE_PER_CENT_AND_FIVE, at: datetime | None = None
) -> fees.FeeVersion:
    async with db.transaction() as conn:
        return await fees.set_version(conn, MERCHANT, "usdc", terms, at)


async def charged(db: Database, *deposits: str) -> dict[str, tuple[int, int, int]]:
    """Version, share and fixed part by deposit."""
    async with db.read() as conn:
        found = await fees.of_deposits(conn, deposits)
    return {deposit: (each.version, each.share, each.fixed) for deposit, each in found.items()}


async def lines(db: Database, source: str) -> list[tuple[object, ...]]:
    async with db.read() as conn:
        rows = await conn.execute(
            "SELECT t.source_id, a.code, e.amount FROM ledger.tx t JOIN ledger.entry e ON e.tx_id = t.id"
            " JOIN ledger.account a ON a.id = e.account_id WHERE t.source = %s ORDER BY t.id, e.seq",
            [source],
        )
        return await rows.fetchall()


async def together(conn: Connection, deposit_ids: list[str]) -> None:
    await ledger.post_deposits(conn, deposit_ids)


async def one_by_one(conn: Connection, deposit_ids: list[str]) -> None:
    for deposit_id in deposit_ids:
        await ledger.post_deposit(conn, deposit_id)


@pytest.mark.parametrize("book", [together, one_by_one])
async def test_gross_and_fee_are_lines_of_their_own_and_the_fixed_part_is_paid_once(
    books: Books, db_as: Open, book: Callable[[Connection, list[str]], Awaitable[None]]
) -> None:
    await charge(books.db)
    first = await books.deposit("payment", FORWARDER, 1_000, applied=1_000)
    second = await books.deposit("payment", FORWARDER, 599, applied=499)
    waiting = await books.deposit("payment", FORWARDER, 300)
    capital = await books.deposit("capital", VAULT, 700)

    watcher = await db_as("watcher")
    async with watcher.transaction() as conn:
        await book(conn, [first, second, waiting, capital])

    assert await charged(books.db, first, second, waiting, capital) == {
        first: (1, 10, 5), second: (1, 4, 0),
    }  # fmt: skip
    assert await lines(books.db, "fee") == [
        (first, f"available:{MERCHANT}", 15), (first, "income:fees", -15),
        (second, f"available:{MERCHANT}", 4), (second, "income:fees", -4),
    ]  # fmt: skip
    assert (await lines(books.db, "deposit"))[:2] == [
        (first, "custody:forwarders", 1_000), (first, f"available:{MERCHANT}", -1_000),
    ]  # fmt: skip
    assert (await posted(books.db))[f"available:{MERCHANT}"] == -(1_000 + 499 - 15 - 4)
    assert await verify(books.db) == []


async def test_a_merchant_without_terms_pays_nothing_and_nothing_is_written(books: Books) -> None:
    deposit = await books.deposit("payment", FORWARDER, 1_000, applied=1_000)
    await in_transaction(books.db, ledger.post_deposits, [deposit])

    assert await charged(books.db, deposit) == {}
    assert await lines(books.db, "fee") == []
    assert (await posted(books.db))[f"available:{MERCHANT}"] == -1_000


async def test_terms_of_nothing_are_noted_and_nothing_is_booked(books: Books) -> None:
    await charge(books.db, FeeTerms(1, 0))
    deposit = await books.deposit("payment", FORWARDER, 9_999, applied=9_999)
    await in_transaction(books.db, ledger.post_deposits, [deposit])

    assert await charged(books.db, deposit) == {deposit: (1, 0, 0)}
    assert await lines(books.db, "fee") == []
    assert await verify(books.db) == []


async def test_money_that_is_accepted_later_is_charged_then(books: Books, db_as: Open) -> None:
    deposit = await books.deposit("payment", FORWARDER, 1_000)
    await in_transaction(books.db, ledger.post_deposits, [deposit])
    await charge(books.db)
    await books.run("UPDATE applications SET state = 'accepted', reason = NULL")

    api = await db_as("api")
    await in_transaction(api, ledger.post_application, deposit)

    assert await charged(books.db, deposit) == {deposit: (1, 10, 5)}
    assert (await posted(books.db))[f"available:{MERCHANT}"] == -985
    assert await verify(books.db) == []


async def test_a_fee_never_takes_more_than_came(books: Books) -> None:
    await charge(books.db, FeeTerms(9_000, 10**18))
    deposit = await books.deposit("payment", FORWARDER, 100, applied=100)
    await in_transaction(books.db, ledger.post_deposits, [deposit])

    assert await charged(books.db, deposit) == {deposit: (1, 90, 10)}
    assert (await posted(books.db))[f"available:{MERCHANT}"] == 0


async def test_each_booking_keeps_the_version_that_was_in_force(books: Books) -> None:
    await charge(books.db)
    early = await books.deposit("payment", FORWARDER, 1_000, applied=1_000)
    await in_transaction(books.db, ledger.post_deposits, [early])
    await charge(books.db, FeeTerms(200, 0))
    await charge(books.db, FeeTerms(9_999, 0), datetime.now(UTC) + timedelta(days=1))
    late = await books.deposit("payment", FORWARDER, 1_000, applied=1_000)
    await in_transaction(books.db, ledger.post_deposits, [early, late])

    assert await charged(books.db, early, late) == {early: (1, 10, 5), late: (2, 20, 0)}
    assert len(await lines(books.db, "fee")) == 4, "the first one was charged once"
    assert await verify(books.db) == []


async def test_terms_do_not_hold_for_what_is_over(books: Books) -> None:
    with pytest.raises(Rejected, match="is over"):
        await charge(books.db, at=datetime.now(UTC) - timedelta(seconds=1))
    async with books.db.read() as conn:
        assert await fees.versions_of(conn, MERCHANT) == []


@pytest.mark.parametrize(
    ("tampering", "said"),
    [
        ("UPDATE fees SET share = share - 1", "G12 the journal is what its facts say"),
        ("UPDATE fees SET share = share - 1", "was charged 9 and 5 by version 1, which should be 10 and 5"),
        ("UPDATE fee_versions SET bps = 50", "which should be 5 and 5 by version 1"),
        ("DELETE FROM fees", "was credited 1000 and not charged by version 1"),
        ("UPDATE fees SET first = false, share = share + fixed, fixed = 0", "bore the fixed part 0 times"),
        ("UPDATE fee_versions SET effective_from = now() + interval '1 day'", "no version was in force"),
    ],
)
async def test_a_fee_that_was_tampered_with_is_named(
    books: Books, db: Database, tampering: str, said: str
) -> None:
    await charge(books.db)
    deposit = await books.deposit("payment", FORWARDER, 1_000, applied=1_000)
    await in_transaction(books.db, ledger.post_deposits, [deposit])

    async with db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = replica")
        await conn.execute(tampering.encode())

    assert any(said in str(wrong) for wrong in await verify(db)), await verify(db)
