"""What left us without a payout is booked once; what is something else is refused."""

from collections.abc import Awaitable, Callable

import pytest

from bascule.domain.errors import Halted, Retryable
from bascule.storage import ledger
from bascule.storage.database import Database
from tests.support.books import (
    CHAIN,
    COLLECTOR,
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
        (FORWARDER, STRANGER, FINAL_BLOCK, "does not leave us"),
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
