"""Whose money an arrival is, and that it is one deposit however often it is looked at."""

from datetime import UTC, datetime

import pytest

from bascule.domain.chain import Hash
from bascule.domain.errors import Halted, Retryable
from bascule.storage import arriving, deposits, networks, tokens
from bascule.storage.arriving import Arriving
from bascule.storage.database import Connection, Database
from bascule.storage.deposits import Candidate
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

NOW = datetime(2026, 1, 2, 3, 4, 5, 678, UTC)
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


async def arrived(books: Books) -> list[Arriving]:
    async with books.db.transaction() as conn:
        return await arriving.find(conn, CHAIN, [Hash(HEAD_BLOCK)])


async def candidates(books: Books, new: dict[str, Arriving]) -> list[Candidate]:
    """What becomes of these by these ids, for an intent of the test mode."""
    async with books.db.transaction() as conn:
        [network] = [each for each in await networks.every(conn) if each.chain_id == CHAIN]
        known = {token.id: token for token in await tokens.every(conn)}
    return [
        each.candidate(id, network, known.get(each.token_id or ""), NOW, livemode=False)
        for id, each in new.items()
    ]


async def store(books: Books, new: list[Candidate]) -> None:
    async with books.db.transaction() as conn:
        await deposits.insert_arrived(conn, CHAIN, [each.shown for each in new])


async def test_money_is_a_payers_or_capital_or_nobodys_and_one_deposit(books: Books) -> None:
    places = [
        (HEAD_BLOCK, await books.transfer(src, dst, 5, token=token, block=HEAD_BLOCK))
        for src, dst, token, _ in ARRIVALS
    ]
    await books.transfer(VAULT, FORWARDER, 5, block=HEAD_BLOCK)  # from us to us
    await books.transfer(STRANGER, TREASURY, 5, block=HEAD_BLOCK)  # past us
    ids = [f"dep_{n}" for n in range(len(ARRIVALS))]

    first = await arrived(books)
    new = await candidates(books, dict(zip(ids, first, strict=True)))
    await store(books, new)
    again = await arrived(books)

    assert [each.kind for each in first] == [kind for *_, kind in ARRIVALS]
    assert {each.intent_id for each in first if each.kind == "payment"} == {"pi_1"}
    assert [each.booked for each in first] == [token == CONTRACT for _, _, token, _ in ARRIVALS]
    assert not any(each.known for each in first)
    assert [each.place for each in again if each.known] == places
    with pytest.raises(Retryable, match="somebody else stored a deposit"):
        await store(books, new[:1])


async def test_what_is_decided_before_it_is_stored_is_what_is_read_of_it_later(books: Books) -> None:
    for src, dst, token, kind in ARRIVALS:
        if kind == "payment":
            await books.transfer(src, dst, 5, token=token, block=HEAD_BLOCK)
    await books.run("UPDATE tokens SET dust = 3, minimum = 7")

    new = await candidates(books, {f"dep_{n}": each for n, each in enumerate(await arrived(books))})
    await store(books, new)
    async with books.db.transaction() as conn:
        read = await deposits.of_intents(conn, {"pi_1": False}, [each.shown.id for each in new])

    assert read["pi_1"] == new
    assert [each.seen.decimals for each in new] == [6, 6, None]


async def test_a_payment_that_a_node_puts_twice_into_a_block_is_one_deposit(books: Books) -> None:
    log_index = await books.transfer(STRANGER, FORWARDER, 5, block=HEAD_BLOCK)
    columns = "block_number, tx_hash, token, src, dst, amount, occurrence"
    await books.run(
        f"INSERT INTO transfers (chain_id, block_hash, log_index, {columns})"
        f" SELECT chain_id, block_hash, log_index + 50, {columns} FROM transfers WHERE log_index = %s",
        log_index,
    )

    assert [each.log_index for each in await arrived(books)] == [log_index]


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
        await arrived(books)


async def test_a_plan_made_when_there_was_little_reads_no_more_of_what_came_since(books: Books) -> None:
    await books.transfer(STRANGER, FORWARDER, 5, block=HEAD_BLOCK)
    async with books.db.transaction() as conn:
        await conn.execute(OTHERS, {"chain_id": CHAIN, "first": 100, "last": 101})
        await conn.execute("ANALYZE")
        for _ in range(12):  # so often it is planned anew, and then the plan is kept
            await arriving.find(conn, CHAIN, [Hash(HEAD_BLOCK)])
        await conn.execute(OTHERS, {"chain_id": CHAIN, "first": 102, "last": 111})
        before = await transfers_read(conn)
        found = await arriving.find(conn, CHAIN, [Hash(HEAD_BLOCK)])
        read = await transfers_read(conn) - before

    assert (len(found), read) == (1, 1)


OTHERS = """
WITH other AS (
    INSERT INTO blocks (chain_id, hash, number, parent, block_time, verified)
    SELECT %(chain_id)s, sha256(int8send(n)), n, sha256(int8send(n - 1)), now(), 'receipts'
      FROM generate_series(%(first)s::bigint, %(last)s) AS n
    RETURNING hash, number
)
INSERT INTO transfers
       (chain_id, block_hash, log_index, block_number, tx_hash, token, src, dst, amount, occurrence)
SELECT %(chain_id)s, o.hash, m, o.number, o.hash, t.token, t.src, t.dst, 1, m
  FROM other AS o CROSS JOIN generate_series(0, 149) AS m CROSS JOIN (SELECT * FROM transfers LIMIT 1) AS t
"""


async def transfers_read(conn: Connection) -> int:
    """How many this transaction has read so far."""
    found = await conn.execute(
        "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'transfers'"
    )
    [(rows,)] = await found.fetchall()
    return int(rows)
