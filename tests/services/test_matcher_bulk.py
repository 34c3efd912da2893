"""A full block of all that payers do becomes together what it becomes one by one."""

import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, LiteralString

import pytest

from bascule.domain.chain import BlockRef
from bascule.domain.webhook import EventType
from bascule.services import matcher
from bascule.services.arrivals import Arrivals
from bascule.storage import blocks, deposits, ledger
from bascule.storage.database import Connection
from tests.services.test_matcher import OUTCOME, Counting, Undone, recorded_block
from tests.support.money_in import Bridge, OpenAs, bridge

AMOUNTS = (
    "10.00",
    "10.00",
    "9.95",
    "4.00",
    "6.00",
    "12.00",
    "0.01",
)  # whole, nearly, split, over, hardly
BOOKED: LiteralString = (
    "SELECT t.source_id, t.kind, t.block_number, e.seq, a.code, e.layer, e.amount, b.log_index"
    " FROM ledger.tx t JOIN ledger.entry e ON e.tx_id = t.id JOIN ledger.account a ON a.id = e.account_id"
    " JOIN ledger.booked b ON b.tx_id = t.id ORDER BY t.source_id, e.seq"
)
Book = Callable[[Connection, Sequence[str]], Awaitable[None]]


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def one_by_one(conn: Connection, deposit_ids: Sequence[str]) -> None:
    for deposit_id in deposit_ids:
        await ledger.post_deposit(conn, deposit_id)


async def test_a_block_of_everything_together_is_the_same_one_by_one(
    b: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = random.Random(7)
    now = int(b.clock.now().timestamp())
    made = [
        await b.intent(
            "10.00",
            expires_at=now + chosen.choice((900, 90_000)),
            late=chosen.choice(("accept", "hold")),
            overpay=chosen.choice(("hold", "keep")),
            underpay_tolerance_bps=chosen.choice((0, 100)),
        )
        for _ in range(60)
    ]
    await b.started()
    b.clock.advance(3_600)
    payments = [(chosen.choice(made), chosen.choice(AMOUNTS)) for _ in range(150)]
    block = await recorded_block(b, payments)

    outcomes = []
    for at_once, book in ((500, ledger.post_deposits), (1, one_by_one), (7, ledger.post_deposits)):
        monkeypatch.setattr(matcher, "AT_ONCE", at_once)
        outcomes.append(await outcome_of(b, block, book))

    assert outcomes[0] == outcomes[1] == outcomes[2]
    intents, _, applications, _, booked = outcomes[0]
    assert len({row[0] for row in booked}) == len(payments)
    assert {row[3] for row in applications} == {None, "already_paid", "held"}
    flags = {flag for row in intents for cell in row if isinstance(cell, list) for flag in cell}
    assert flags >= {"late", "held", "overpaid", "duplicate", "partially_paid", "underpaid_accepted"}


async def outcome_of(b: Bridge, block: BlockRef, book: Book) -> list[list[tuple[Any, ...]]]:
    """The rows when the block is taken, final and booked; the database stays as it was."""
    chain_id = b.network.chain_id
    arrivals = Arrivals(chain_id, b.clock, Counting(), b.outbox, Counter())
    found = []
    with contextlib.suppress(Undone):
        async with b.db.transaction() as conn:
            await arrivals.take(conn, [block.hash])
            cursor = await blocks.cursor(conn, chain_id)
            assert cursor is not None
            await blocks.finalize(conn, cursor, block)
            final = await deposits.advance_finalize(conn, chain_id, block.number, b.clock.now(), "finalized")
            owned = await arrivals.settle(conn, final, EventType.DEPOSIT_FINALIZED)
            await book(conn, [deposit.id for deposit in owned])
            for query in (*OUTCOME, BOOKED):
                found.append(await (await conn.execute(query)).fetchall())
            raise Undone
    return found
