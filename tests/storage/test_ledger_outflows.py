"""What left us without a payout is booked once; what is something else is refused."""

from collections.abc import Awaitable, Callable

import pytest

from bascule.domain.errors import Halted, Retryable
from bascule.storage import ledger, transfers
from bascule.storage.database import Database
from bascule.storage.queries import Queries
from tests.support.books import (
    CHAIN,
    COLLECTOR,
    CONTRACT,
    FINAL_BLOCK,
    FORWARDER,
    HEAD_BLOCK,
    STRANGER,
    VAULT,
    WALLET,
    Books,
    fund,
    posted,
)

Open = Callable[[str], Awaitable[Database]]


@pytest.fixture
async def books(db: Database) -> Books:
    books = Books(db)
    await books.set_up()
    return books


async def test_outflow_is_booked_once_and_stays_what_it_was_booked_as(
    db: Database, books: Books, db_as: Open
) -> None:
    await fund(books)
    index = await books.transfer(VAULT, STRANGER, 5)
    watcher = await db_as("watcher")

    async def outflow() -> bool:
        async with watcher.transaction() as conn:
            return await ledger.post_outflow(conn, CHAIN, FINAL_BLOCK, index)

    before = await posted(db)
    assert await outflow() is False
    await books.run("INSERT INTO treasury_sources (chain_id, address) VALUES (%s, %s)", CHAIN, STRANGER)
    assert await outflow() is False, "whoever is registered since"
    after = await posted(db)
    assert after.pop("expense:outflow") == 5
    assert after == before | {"custody:vault": before["custody:vault"] - 5}


async def test_what_is_no_outflow_is_not_booked_as_one(db: Database, books: Books) -> None:
    await fund(books)
    for src, dst, block, refusal in (
        (STRANGER, VAULT, FINAL_BLOCK, "does not leave us"),
        (VAULT, COLLECTOR, FINAL_BLOCK, "does not leave us"),
        (FORWARDER, COLLECTOR, FINAL_BLOCK, "does not leave us"),
        (VAULT, STRANGER, HEAD_BLOCK, "not final yet"),
    ):
        index = await books.transfer(src, dst, 5, block=block)
        with pytest.raises((Halted, Retryable), match=refusal):
            async with db.transaction() as conn:
                await ledger.post_outflow(conn, CHAIN, block, index)
    signed = await books.transfer(VAULT, STRANGER, 5)
    await books.run(
        "INSERT INTO attempts (tx_hash, chain_id, wallet, nonce, raw, max_fee_per_gas,"
        " max_priority_fee_per_gas, gas, state) VALUES (%s, %s, %s, 0, 'x', 2, 1, 21000, 'signed')",
        *(signed.to_bytes(32, "big"), CHAIN, WALLET),
    )
    with pytest.raises(Halted, match="that we signed"):
        async with db.transaction() as conn:
            await ledger.post_outflow(conn, CHAIN, FINAL_BLOCK, signed)


async def test_what_left_before_its_money_is_booked_is_held(db: Database, books: Books, db_as: Open) -> None:
    """As the watcher reads it: what came later says nothing of it."""
    watcher = await db_as("watcher")

    async def held() -> list[bool]:
        async with watcher.read() as conn:
            return [each.held for each in await transfers.outflows_between(conn, CHAIN, 0, FINAL_BLOCK[0])]

    assert await held() == []
    await books.transfer(FORWARDER, STRANGER, 7)
    assert await held() == [False]
    await books.deposit("payment", FORWARDER, 7)
    assert await held() == [False]
    await books.transfer(FORWARDER, STRANGER, 7)
    assert await held() == [False, True]


async def test_what_left_is_found_without_reading_all_transfers(db: Database, books: Books) -> None:
    """They are read by height in the stretch alone: none becomes final where that takes too long."""
    await books.run(
        "INSERT INTO transfers (chain_id, block_hash, log_index, block_number, tx_hash, token, src, dst,"
        " amount, occurrence) SELECT %s, %s, n, %s, sha256(int8send(n)), %s, %s, %s, 1, 0"
        " FROM generate_series(1000, 3000) n",
        *(CHAIN, FINAL_BLOCK, FINAL_BLOCK[0], CONTRACT, STRANGER, FORWARDER),
    )
    stretch = {"chain_id": CHAIN, "after": 5, "upto": 9}
    async with db.transaction() as conn:
        await conn.execute("ANALYZE transfers")
        await conn.execute("SET LOCAL enable_seqscan = off")
        for name in ("leaves", "outflows_between"):
            query = Queries("transfers").file.queries[name].text
            plan = await (await conn.execute(b"EXPLAIN " + query.encode(), stretch)).fetchall()
            assert sum("transfers_by_number" in line for (line,) in plan) == 1, plan
