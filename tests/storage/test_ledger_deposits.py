"""Final deposits are booked one by one or together; what is refused is refused alike."""

from collections.abc import Awaitable, Callable

import pytest

from bascule.domain.errors import Halted, Retryable
from bascule.storage import ledger
from bascule.storage.database import Connection, Database
from tests.support.books import (
    CHAIN,
    FAKE,
    FAKE_CONTRACT,
    FINAL_BLOCK,
    FORWARDER,
    HEAD_BLOCK,
    MERCHANT,
    OPERATOR,
    STRANGER,
    USD,
    VAULT,
    WALLET,
    Books,
    in_transaction,
    posted,
)

Open = Callable[[str], Awaitable[Database]]


@pytest.fixture
async def books(db: Database) -> Books:
    books = Books(db)
    await books.set_up()
    return books


async def one_by_one(conn: Connection, *deposit_ids: str) -> None:
    for deposit_id in deposit_ids:
        await ledger.post_deposit(conn, deposit_id)


async def together(conn: Connection, *deposit_ids: str) -> None:
    await ledger.post_deposits(conn, deposit_ids)


Book = Callable[..., Awaitable[None]]


@pytest.fixture(params=[one_by_one, together])
def book(request: pytest.FixtureRequest) -> Book:
    """Both ways to book a deposit; they refuse the same with the same words."""
    chosen: Book = request.param
    return chosen


async def test_deposits_booked_together_are_booked_as_one_by_one(
    db: Database, books: Books, db_as: Open
) -> None:
    deposits = [
        await books.deposit("payment", FORWARDER, 50, applied=50),
        await books.deposit("payment", FORWARDER, 30, applied=20),
        await books.deposit("payment", FORWARDER, 5),
        await books.deposit("capital", VAULT, 50),
        await books.deposit("unsolicited", WALLET, 3),
    ]
    watcher = await db_as("watcher")
    async with watcher.transaction() as conn:
        await together(conn, *deposits[:3])
        await together(conn, *deposits, deposits[0])  # again, with new ones: each once
    at_once = await booked_rows(db)
    for deposit in deposits:
        await in_transaction(db, ledger.post_deposit, deposit)  # the same content, or it would refuse

    assert await booked_rows(db) == at_once
    assert [row[:3] for row in at_once] == [
        ("dep_1", "custody:forwarders", 50), ("dep_1", f"available:{MERCHANT}", -50),
        ("dep_2", "custody:forwarders", 30), ("dep_2", f"available:{MERCHANT}", -20),
        ("dep_2", f"suspense:{MERCHANT}", -10),
        ("dep_3", "custody:forwarders", 5), ("dep_3", f"suspense:{MERCHANT}", -5),
        ("dep_4", "custody:vault", 50), ("dep_4", f"available:{OPERATOR}", -50),
        ("dep_5", "custody:wallets", 3), ("dep_5", f"suspense:{OPERATOR}", -3),
    ]  # fmt: skip
    assert await ledger_is_sound(db)


async def test_one_deposit_that_is_refused_leaves_none_of_them_booked(db: Database, books: Books) -> None:
    good = await books.deposit("payment", FORWARDER, 50, applied=50)
    detected = await books.deposit("payment", FORWARDER, 5, state="detected")

    with pytest.raises(Halted, match=f"{detected} is detected, not finalized"):
        await in_transaction(db, ledger.post_deposits, [good, detected])

    assert await posted(db) == {}


async def test_what_is_to_be_booked_is_found_by_key_even_where_to_read_all_seems_cheaper(
    db: Database, books: Books
) -> None:
    deposits = [await books.deposit("payment", FORWARDER, each, applied=each) for each in (50, 30)]
    async with db.transaction() as conn:
        await conn.execute(OTHERS, {"chain_id": CHAIN, "head": HEAD_BLOCK[0]})
        await conn.execute("SET LOCAL random_page_cost = 1000")  # as statistics make it seem that are too old
        before = await rows_read(conn)
        found = await conn.execute("SELECT deposit_id FROM ledger.deposits_to_book(%s)", [deposits])
        booked = {id for (id,) in await found.fetchall()}
        read = {table: rows - before.get(table, 0) for table, rows in (await rows_read(conn)).items()}

    assert booked == set(deposits)
    assert read["blocks"] == read["transfers"] == len(deposits)
    assert max(read.values()) <= 2 * len(deposits), read


OTHERS = """
WITH other AS (
    INSERT INTO blocks (chain_id, hash, number, parent, block_time, verified)
    SELECT %(chain_id)s, sha256(int8send(n)), %(head)s::bigint + n, sha256(int8send(n - 1)), now(), 'receipts'
      FROM generate_series(1, 300) AS n
    RETURNING hash, number
)
INSERT INTO transfers
       (chain_id, block_hash, log_index, block_number, tx_hash, token, src, dst, amount, occurrence)
SELECT %(chain_id)s, o.hash, 0, o.number, o.hash, t.token, t.src, t.dst, 1, 0
  FROM other AS o CROSS JOIN (SELECT * FROM transfers LIMIT 1) AS t
"""


async def rows_read(conn: Connection) -> dict[str, int]:
    """How many rows of each table this transaction has read so far."""
    found = await conn.execute(
        "SELECT relname, seq_tup_read + coalesce(idx_tup_fetch, 0) FROM pg_stat_xact_user_tables"
    )
    return {str(table): int(rows) for table, rows in await found.fetchall()}


async def booked_rows(db: Database) -> list[tuple[object, ...]]:
    """(deposit, account code, amount, booked transfer) of every entry of a deposit."""
    async with db.read() as conn:
        found = await conn.execute(
            "SELECT t.source_id, a.code, e.amount, b.log_index, t.block_number FROM ledger.tx t"
            " JOIN ledger.entry e ON e.tx_id = t.id JOIN ledger.account a ON a.id = e.account_id"
            " JOIN ledger.booked b ON b.tx_id = t.id WHERE t.source = 'deposit' ORDER BY t.id, e.seq"
        )
        return await found.fetchall()


async def ledger_is_sound(db: Database) -> bool:
    async with db.read() as conn:
        return await ledger.verify(conn) == []


async def test_deposit_that_is_not_finalised_is_not_booked(db: Database, books: Books, book: Book) -> None:
    detected = await books.deposit("capital", VAULT, 5, state="detected")
    early = await books.deposit("capital", VAULT, 5, block=HEAD_BLOCK)

    with pytest.raises(Halted, match="detected, not finalized"):
        await in_transaction(db, book, detected)
    with pytest.raises(Retryable, match="not final yet"):
        await in_transaction(db, book, early)


async def test_orphaned_transfer_is_not_booked(db: Database, books: Books, book: Book) -> None:
    deposit = await books.deposit("capital", VAULT, 5)
    await books.run("UPDATE transfers SET canonical = false")

    with pytest.raises(Retryable, match="no canonical transfer"):
        await in_transaction(db, book, deposit)


async def test_halted_chain_credits_nothing(db: Database, books: Books, book: Book) -> None:
    deposit = await books.deposit("capital", VAULT, 5)
    await books.run("UPDATE cursors SET halted_reason = 'a finalised block disappeared'")

    with pytest.raises(Retryable, match="halted: a finalised block"):
        await in_transaction(db, book, deposit)


async def test_token_we_do_not_accept_is_not_booked(db: Database, books: Books, book: Book) -> None:
    fake = await books.deposit("unsolicited", VAULT, 5, token=FAKE_CONTRACT, token_id=FAKE)
    unknown = await books.deposit("unsolicited", VAULT, 5, token=b"\x77" * 20, token_id=None)
    posing = await books.deposit("unsolicited", VAULT, 5, token=FAKE_CONTRACT, token_id=USD)

    for deposit in (fake, unknown, posing):
        with pytest.raises(Halted, match="do not accept"):
            await in_transaction(db, book, deposit)


async def test_deposit_that_differs_from_its_transfer_is_not_booked(
    db: Database, books: Books, book: Book
) -> None:
    deposit = await books.deposit("capital", VAULT, 5)
    await books.run("UPDATE deposits SET amount = 500")

    with pytest.raises(Halted, match="differs from its transfer"):
        await in_transaction(db, book, deposit)


async def test_same_source_with_other_content_is_refused(db: Database, books: Books, book: Book) -> None:
    deposit = await books.deposit("payment", FORWARDER, 50, applied=50)
    await in_transaction(db, book, deposit)
    await books.run("UPDATE applications SET amount_applied = 40")

    with pytest.raises(Halted, match="already booked with other content"):
        await in_transaction(db, book, deposit)


async def test_transfer_is_booked_by_one_transaction_only(db: Database, books: Books, book: Book) -> None:
    deposit = await books.deposit("payment", FORWARDER, 50, applied=50)
    await in_transaction(db, book, deposit)
    await books.run(
        "INSERT INTO own_addresses (chain_id, address, kind) VALUES (%s, %s, 'vault')", CHAIN, STRANGER
    )
    index = int(deposit.removeprefix("dep_"))
    await in_transaction(db, ledger.post_opening, await books.opening(VAULT, 100))

    with pytest.raises(Halted, match="already booked by ledger transaction"):
        async with db.transaction() as conn:
            await ledger.post_internal(conn, CHAIN, FINAL_BLOCK, index)
