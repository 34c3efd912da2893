"""The matcher writes what changed and nothing else."""

import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from itertools import count
from typing import Any, LiteralString

import pytest

from bascule.domain.chain import Address, BlockRef, Hash, parse_address
from bascule.domain.errors import Halted, NotFound
from bascule.domain.money import parse_amount
from bascule.domain.webhook import EventType
from bascule.services import deposits as deposit_service
from bascule.services import matcher
from bascule.services.arrivals import Arrivals
from bascule.storage import blocks, deposits, transfers
from bascule.storage.blocks import Read
from bascule.storage.transfers import Transfer
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def test_asking_again_changes_and_tells_nothing(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "4.00")
    await b.settle_down(watcher)
    before = await b.shown(intent), await b.deposits(), await b.events()

    async with b.db.transaction() as conn:
        await matcher.recompute(conn, {intent["id"]: {}}, b.outbox, b.clock)

    assert (await b.shown(intent), await b.deposits(), await b.events()) == before


async def test_an_intent_that_does_not_exist_stops_the_work(b: Bridge) -> None:
    with pytest.raises(Halted, match="pi_none"):
        async with b.db.transaction() as conn:
            await matcher.recompute(conn, {"pi_none": {}}, b.outbox, b.clock)


async def test_events_say_what_the_intent_was_before(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.settle_down(watcher)

    [(shown, previous)] = await b.rows(
        "SELECT object, previous FROM outbox WHERE type = 'payment_intent.processing'"
    )
    assert (shown["status"], shown["amount_received"]) == ("processing", "10.000000")
    assert previous == {"status": "requires_action", "amount_received": "0.000000"}


async def test_what_is_told_is_what_the_api_shows_at_that_moment(b: Bridge) -> None:
    watcher = await b.started()
    paid = [await b.intent("10.00"), await b.intent("10.00"), await b.intent("10.00", overpay="keep")]
    for intent, amounts in zip(paid, (["4.00"], ["10.00", "3.00"], ["6.00", "7.00"]), strict=True):
        for amount in amounts:
            await b.send(deposit_address(intent), amount)
    await b.mine()
    await b.settle_down(watcher)
    await require_told_as_shown(b, paid)
    await b.finalize(watcher)
    await require_told_as_shown(b, paid[1:])  # that a part has become final is not told


async def require_told_as_shown(b: Bridge, intents: list[dict[str, Any]]) -> None:
    told = dict(await b.rows("SELECT object_id, object FROM outbox ORDER BY id"))
    for intent in intents:
        assert told[intent["id"]] == await b.shown(intent)
    for deposit in await b.deposits():  # the blocks on top of it grow without being told
        assert told[deposit["id"]] | {"confirmations": 0} == deposit | {"confirmations": 0}


async def test_a_deposit_shows_its_confirmations_and_a_missing_one_is_refused(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "4.00")
    await b.settle_down(watcher)
    [deposit] = await b.deposits()
    assert (deposit["confirmations"], deposit["confirmations_required"]) == (1, None)

    await b.mine()
    await b.settle_down(watcher)
    async with b.api.read() as conn:
        assert (await deposit_service.describe(conn, deposit["id"]))["confirmations"] == 2
        with pytest.raises(NotFound):
            await deposit_service.describe(conn, "dep_none")


PAID = ("10.00", "4.00", "12.00", "10.00", "0.01", "10.00")  # whole, partly, too much, whole, hardly, …
TWICE = ("5.00", "6.00")  # to the first two intents, in the same block


async def test_many_intents_at_once_become_what_each_becomes_alone(
    b: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = [await b.intent("10.00", overpay=overpay) for overpay in ("hold", "keep") * 3]
    await b.started()
    block = await recorded_block(b, [*zip(made, PAID, strict=True), *zip(made, TWICE, strict=False)])

    outcomes = []
    for at_once in (500, 1, 4):
        monkeypatch.setattr(matcher, "AT_ONCE", at_once)
        outcomes.append(await outcome_of(b, block))

    assert outcomes[0] == outcomes[1] == outcomes[2]
    told = [row[0] for row in outcomes[0][-1]]
    assert told.count("deposit.finalized") == len(PAID) + len(TWICE)
    assert told.count("payment_intent.succeeded") == 5
    assert told.count("payment_intent.overpaid") == 1
    assert told.count("deposit.unapplied") == 1, "the first intent was paid whole before the 5.00"


async def recorded_block(b: Bridge, payments: list[tuple[dict[str, Any], str]]) -> BlockRef:
    """A block that was read and holds these payments, which nobody has looked at yet."""
    async with b.db.transaction() as conn:
        cursor = await blocks.cursor(conn, b.network.chain_id)
        assert cursor is not None
        number = cursor.last_number + 1
        block = BlockRef(number, Hash(b"\x0b" * 32), cursor.last_hash, int(b.clock.now().timestamp()))
        sent = [
            Transfer(
                block_hash=block.hash,
                log_index=index,
                block_number=number,
                tx_hash=Hash(index.to_bytes(32, "big")),
                token=b.token.contract,
                src=Address(b"\x99" * 20),
                dst=parse_address(deposit_address(intent)),
                amount=parse_amount(amount, "usdt").to_token(b.token.asset).units,
                occurrence=0,
            )
            for index, (intent, amount) in enumerate(payments)
        ]
        await blocks.move_cursor(conn, cursor, block)
        await blocks.record(conn, b.network.chain_id, [Read(block, "receipts")])
        assert (await transfers.record(conn, b.network.chain_id, sent)).ours == len(sent)
    return block


class Undone(Exception):
    """The transaction was only tried."""


async def outcome_of(b: Bridge, block: BlockRef) -> list[list[tuple[Any, ...]]]:
    """What taking and finalizing the block leaves in the rows; the database stays as it was."""
    arrivals = Arrivals(b.network.chain_id, b.clock, Counting(), b.outbox, Counter())
    found = []
    with contextlib.suppress(Undone):
        async with b.db.transaction() as conn:
            await arrivals.take(conn, [block.hash])
            final = await deposits.advance_finalize(
                conn, b.network.chain_id, block.number, b.clock.now(), "finalized"
            )
            await arrivals.settle(conn, final, EventType.DEPOSIT_FINALIZED)
            for query in OUTCOME:
                found.append(await (await conn.execute(query)).fetchall())
            raise Undone
    return found


class Counting:
    """Entropy that a second run repeats."""

    def __init__(self) -> None:
        self._numbers = count()

    def bytes(self, n: int) -> bytes:
        return b"".join(next(self._numbers).to_bytes(10, "big") for _ in range(0, n, 10))[:n]


OUTCOME: tuple[LiteralString, ...] = (
    "SELECT * FROM payment_intents ORDER BY id",
    "SELECT * FROM deposits ORDER BY id",
    "SELECT deposit_id, intent_id, state, reason, amount_applied FROM applications ORDER BY deposit_id",
    "SELECT type, object_id, object_version, object, previous, request FROM outbox ORDER BY id",
)
