"""Deadlines: said at once, acted on only when every chain has been read past them."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from bascule.services.expirer import Expirer
from bascule.services.intents import Intents
from bascule.services.mandates import Mandates
from bascule.services.outbox import Outbox
from bascule.services.seams import SystemEntropy
from bascule.storage.database import Database
from tests.support.money_in import Bridge, bridge

OpenAs = Callable[[str], Awaitable[Database]]


@pytest.fixture
async def world(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


@pytest.fixture
async def expirer(world: Bridge, db_as: OpenAs) -> Expirer:
    """As the worker has it: under its own login, without the seed."""
    entropy = SystemEntropy()
    intents = Intents(world.clock, entropy, Outbox(world.clock, entropy), deposit_seed=b"")
    mandates = Mandates(world.clock, intents.entropy, intents.outbox)
    return Expirer(await db_as("worker"), world.clock, intents, mandates)


def seconds(world: Bridge, ahead: int) -> int:
    return int(world.clock.now().timestamp()) + ahead


async def short(world: Bridge) -> dict[str, Any]:
    """Ten seconds to pay, closed twenty seconds later."""
    return await world.intent("10.50", expires_at=seconds(world, 10), closes_at=seconds(world, 30))


async def state(world: Bridge, intent: dict[str, Any]) -> tuple[str, list[str]]:
    shown = await world.shown(intent)
    return shown["status"], shown["flags"]


async def test_open_intent_is_left_alone_before_its_time(world: Bridge, expirer: Expirer) -> None:
    await world.started()
    intent = await short(world)

    assert await expirer.run_once() == 0
    assert await state(world, intent) == ("requires_action", [])


async def test_intent_past_its_time_is_expired_once_and_stays_open(world: Bridge, expirer: Expirer) -> None:
    await world.started()
    intent = await short(world)
    world.clock.advance(11)

    assert await expirer.run_once() == 1
    assert await expirer.run_once() == 0

    assert await state(world, intent) == ("requires_action", ["expired"])
    assert (await world.events()).count("payment_intent.expired") == 1


async def test_intent_closes_only_when_the_chain_is_read_past_its_close(
    world: Bridge, expirer: Expirer
) -> None:
    watcher = await world.started()
    intent = await short(world)
    world.clock.advance(31)
    await expirer.run_once()
    assert await state(world, intent) == ("requires_action", ["expired"]), "the watcher lags"

    await world.mine()
    await world.settle_down(watcher)
    await expirer.run_once()

    assert (await state(world, intent))[0] == "canceled"
    assert (await world.shown(intent))["cancellation_reason"] == "expired"
    assert (await world.events())[-1] == "payment_intent.canceled"


async def test_payment_the_watcher_has_not_read_yet_is_not_turned_away(
    world: Bridge, expirer: Expirer
) -> None:
    """Paid in time, read late: by then the payment is there, and the intent never closes."""
    watcher = await world.started()
    intent = await short(world)
    world.clock.advance(5)
    await world.pay(intent, "10.50")
    world.clock.advance(100)
    await expirer.run_once()
    await world.mine()
    await world.settle_down(watcher)

    await expirer.run_once()

    assert (await state(world, intent))[0] == "processing"
    await world.finalize(watcher)
    assert (await state(world, intent))[0] == "succeeded"


async def test_chain_that_was_never_read_keeps_its_intents_open(world: Bridge, expirer: Expirer) -> None:
    intent = await short(world)
    world.clock.advance(1000)

    await expirer.run_once()

    assert (await state(world, intent))[0] == "requires_action"


async def test_halted_chain_keeps_its_intents_open(world: Bridge, expirer: Expirer) -> None:
    watcher = await world.started()
    intent = await short(world)
    world.clock.advance(100)
    await world.mine()
    await world.settle_down(watcher)
    async with world.owner.transaction() as conn:
        await conn.execute("UPDATE cursors SET halted_reason = 'a test'")

    await expirer.run_once()

    assert (await state(world, intent))[0] == "requires_action"


async def due(world: Bridge, intent: dict[str, Any]) -> Any:
    """In how many seconds somebody looks at it; none once nobody does."""
    [(at,)] = await world.rows("SELECT due_at FROM deadlines")
    return None if at is None else round((at - world.clock.now()).total_seconds())


async def test_what_has_ended_is_not_looked_at_again_and_what_is_open_is(
    world: Bridge, expirer: Expirer
) -> None:
    watcher = await world.started()
    intent = await short(world)
    assert await due(world, intent) == 10
    world.clock.advance(11)
    await expirer.run_once()
    await expirer.run_once()
    assert await due(world, intent) == 19, "of its close, once it said that it is expired"

    world.clock.advance(20)
    await expirer.run_once()
    assert await due(world, intent) == -1, "the chain lags: it is looked at until it can close"
    await world.mine()
    await world.settle_down(watcher)
    assert [await expirer.run_once() for _ in range(3)] == [1, 0, 0]
    assert await due(world, intent) is None


async def test_intent_that_loses_its_payment_after_its_time_is_closed(
    world: Bridge, expirer: Expirer
) -> None:
    """Covered when its time was over, so that nothing was to be done then."""
    watcher = await world.started()
    intent = await short(world)
    paid = await world.pay(intent, "10.50")
    await world.settle_down(watcher)
    world.clock.advance(31)
    assert await expirer.run_once() == 0

    await world.node.dev.reorg(1, drop=[paid])
    await world.mine(2)
    await world.settle_down(watcher)
    assert [await expirer.run_once() for _ in range(2)] == [2, 0]

    assert await state(world, intent) == ("canceled", ["expired", "reorged"])


async def test_when_an_intent_is_looked_at_follows_its_times_whoever_moves_them(world: Bridge) -> None:
    await world.started()
    intent = await short(world)
    async with world.owner.transaction() as conn:
        await conn.execute(
            "UPDATE payment_intents SET expires_at = expires_at + '5 s', closes_at = closes_at + '5 s'"
        )
    assert await due(world, intent) == 15

    async with world.owner.transaction() as conn:
        await conn.execute("SELECT advance_test_clock(%s, '8 s', now() - interval '1 day')", [world.merchant])
    assert await due(world, intent) == 7


async def test_deadline_that_a_test_clock_moves_while_it_is_passed_is_not_put_off_again(
    world: Bridge, expirer: Expirer
) -> None:
    """The clock's transaction is open while the expirer passes the deadline of an intent that has expired."""
    await world.started()
    intent = await short(world)
    world.clock.advance(11)
    assert await expirer.run_once() == 1
    assert await due(world, intent) == -1

    async with world.owner.transaction() as conn:
        await conn.execute(
            "SELECT advance_test_clock(%s, '20 s', now() - interval '1 day')", [world.merchant]
        )
        assert await expirer.run_once() == 0
    assert await due(world, intent) == -1, "its close is where its end was"
