"""Whose money an arrival is, and that it is one deposit however often it is looked at."""

from datetime import UTC, datetime

import pytest

from bascule.domain.chain import Hash
from bascule.domain.errors import Halted
from bascule.storage import deposits
from bascule.storage.database import Database
from bascule.storage.deposits import Arrived
from tests.support.books import (
    CHAIN,
    COLLECTOR,
    CONTRACT,
    FAKE_CONTRACT,
    FORWARDER,
    HEAD_BLOCK,
    STRANGER,
    VAULT,
    WALLET,
    Books,
)

TREASURY = b"\x77" * 20
ARRIVALS = [
    (STRANGER, FORWARDER, CONTRACT, "payment"),
    (TREASURY, FORWARDER, CONTRACT, "payment"),
    (STRANGER, FORWARDER, FAKE_CONTRACT, "payment"),
    (TREASURY, VAULT, CONTRACT, "capital"),
    (TREASURY, COLLECTOR, CONTRACT, "capital"),
    (TREASURY, WALLET, CONTRACT, "unsolicited"),
    (STRANGER, VAULT, CONTRACT, "unsolicited"),
    (TREASURY, VAULT, FAKE_CONTRACT, "unsolicited"),
]


@pytest.fixture
async def books(db: Database) -> Books:
    books = Books(db)
    await books.set_up()
    await books.run("INSERT INTO treasury_sources (chain_id, address) VALUES (%s, %s)", CHAIN, TREASURY)
    return books


async def arrived(books: Books, ids: list[str]) -> Arrived:
    async with books.db.transaction() as conn:
        return await deposits.insert_arrived(conn, CHAIN, [Hash(HEAD_BLOCK)], ids, datetime.now(UTC))


async def test_money_is_a_payers_or_capital_or_nobodys_and_one_deposit(books: Books) -> None:
    places = [
        (HEAD_BLOCK, await books.transfer(src, dst, 5, token=token, block=HEAD_BLOCK))
        for src, dst, token, _ in ARRIVALS
    ]
    await books.transfer(VAULT, FORWARDER, 5, block=HEAD_BLOCK)  # from us to us
    await books.transfer(STRANGER, TREASURY, 5, block=HEAD_BLOCK)  # past us
    ids = [f"dep_{n}" for n in range(len(ARRIVALS) + 2)]

    first, again = await arrived(books, ids), await arrived(books, [f"{id}_again" for id in ids])

    assert [(d.id, d.kind) for d in first.new] == [
        (id, kind) for id, (*_, kind) in zip(ids, ARRIVALS, strict=False)
    ]
    assert {d.intent_id for d in first.new if d.kind == "payment"} == {"pi_1"}
    assert [d.booked for d in first.new] == [token == CONTRACT for _, _, token, _ in ARRIVALS]
    assert (first.known, again.new, again.known) == ([], [], places)


async def test_money_that_would_be_an_operators_stops_the_work_where_there_is_none(db: Database) -> None:
    async with db.read() as conn:
        await conn.execute(
            "INSERT INTO networks (chain_id, name, livemode, finality_kind)"
            " VALUES (31337, 'local', false, 'finalized')"
        )
        await conn.execute(
            "INSERT INTO own_addresses (chain_id, address, kind) VALUES (31337, %s, 'vault')", [VAULT]
        )
        await conn.execute(
            "INSERT INTO blocks (chain_id, hash, number, parent, block_time)"
            " VALUES (31337, %s, 11, %s, now())",
            [HEAD_BLOCK, bytes(32)],
        )
    books = Books(db)
    await books.transfer(STRANGER, VAULT, 5, block=HEAD_BLOCK)

    with pytest.raises(Halted, match="no operator account"):
        await arrived(books, ["dep_1"])
