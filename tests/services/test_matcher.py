"""The matcher writes what changed and nothing else."""

from collections.abc import AsyncIterator

import pytest

from bascule.domain.errors import Halted, NotFound
from bascule.services import deposits, matcher
from tests.support.money_in import Bridge, OpenAs, bridge


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
        await matcher.recompute(conn, intent["id"], b.outbox, b.clock)

    assert (await b.shown(intent), await b.deposits(), await b.events()) == before


async def test_an_intent_that_does_not_exist_stops_the_work(b: Bridge) -> None:
    with pytest.raises(Halted, match="pi_none"):
        async with b.db.transaction() as conn:
            await matcher.recompute(conn, "pi_none", b.outbox, b.clock)


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


async def test_a_deposit_shows_its_confirmations_and_a_missing_one_is_refused(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "4.00")
    await b.settle_down(watcher)
    [deposit] = await b.deposits()
    assert (deposit["confirmations"], deposit["confirmations_required"]) == (1, None)

    await b.mine()
    await b.settle_down(watcher)
    async with b.db.read() as conn:
        assert (await deposits.describe(conn, deposit["id"]))["confirmations"] == 2
        with pytest.raises(NotFound):
            await deposits.describe(conn, "dep_none")
