"""Flushes are planned: what lies there by the rows, what is left alone, and that it is asked once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bascule.chain import factory
from bascule.chain.errors import IncompleteAnswer
from bascule.domain.chain import checksum, parse_address
from bascule.domain.errors import Rejected
from bascule.entrypoints.explaining import explain
from bascule.entrypoints.metrics import Meters
from bascule.services import collector_watch
from bascule.storage import health, networks, tokens
from tests.support.chain import calldata
from tests.support.flushing import NEXT_COLLECTOR, Sweep, sweep
from tests.support.money_out import OpenAs
from tests.support.nodes import lying_node

CHAIN = 31337


@pytest.fixture
async def world(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Sweep]:
    async with sweep(db_as, tmp_path) as built:
        yield built


async def test_final_payments_are_one_request_however_many_workers_plan(world: Sweep) -> None:
    paid = await world.paid("20.00", "30.00", "40.00")

    await world.pay(await world.intent())  # not final
    await world.stage.follow(1)

    made = await asyncio.gather(*(world.planner().run_once() for _ in range(4)))

    assert sorted(made) == [0, 0, 0, 1]
    assert await world.requests() == [("requested", [(each, "open") for each in paid])]
    rows = await world.stage.rows("SELECT amount FROM flush_items ORDER BY amount")
    assert rows == [(20_000_000,), (30_000_000,), (40_000_000,)]


async def test_small_money_waits_until_it_is_old_and_the_fee_is_low(world: Sweep) -> None:
    [paid] = await world.paid("9.99")
    planner = world.planner(min_amount=Decimal(10), max_age=timedelta(hours=1))
    dear = world.planner(max_age=timedelta(hours=1), max_base_fee=1)
    assert [await planner.run_once(), await dear.run_once()] == [0, 0]
    assert dear.counters[CHAIN, "flush_waits_for_fee"] == 1

    world.stage.clock.advance(timedelta(hours=1, seconds=30))

    assert [await dear.run_once(), await planner.run_once()] == [0, 1]
    assert await world.requests() == [("requested", [(paid, "open")])]


async def test_address_with_held_money_is_left_alone(world: Sweep) -> None:
    now = int(world.stage.clock.now().timestamp())
    late = await world.intent(late="hold", expires_at=now + 30, closes_at=now + 3600)
    world.stage.clock.advance(timedelta(seconds=60))
    await world.pay(late)
    [free] = await world.paid("20.00")
    assert await world.stage.rows("SELECT reason FROM applications WHERE state = 'unapplied'") == [("held",)]

    assert await world.planner().run_once() == 1

    assert await world.requests() == [("requested", [(free, "open")])]


async def test_halted_chain_refused_token_and_missing_sweeper_plan_nothing(world: Sweep) -> None:
    await world.paid("20.00")
    await world.stage.rows_change("UPDATE cursors SET halted_reason = 'by test'")
    assert await world.planner().run_once() == 0
    await world.stage.rows_change("UPDATE cursors SET halted_reason = NULL")
    async with world.stage.owner.transaction() as conn:
        await tokens.publish(conn, replace(world.stage.token, accepted=False))
    assert await world.planner().run_once() == 0
    async with world.stage.owner.transaction() as conn:
        await tokens.publish(conn, world.stage.token)
    await world.stage.rows_change("UPDATE wallets SET name = 'another' WHERE name = 'sweeper'")

    assert await world.planner().run_once() == 0


async def test_announced_and_changed_collectors_stop_requests_until_an_operator_confirms_each(
    world: Sweep,
) -> None:
    await world.paid("20.00")
    following = world.stage.node.accounts[NEXT_COLLECTOR].address
    planner = world.planner()
    await world.owner_of_factory("setCollector(address)", following)
    assert await planner.run_once() == 0, "the factory says so, before the watcher saw it"
    await world.stage.follow()
    assert [await planner.run_once() for _ in range(2)] == [0, 0]
    assert planner.counters == {(CHAIN, "collector_scheduled"): 3}

    assert await confirm(world, following) is True
    assert await planner.run_once() == 1, "to the one that is still in place"

    await world.owner_of_factory("acceptCollector()")
    await world.paid("30.00")
    assert await planner.run_once() == 0
    assert planner.counters[CHAIN, "collector_changed"] == 1
    counted = Meters(flushing=planner.counters).text().decode()
    assert 'bascule_flush_total{chain="eip155:31337",what="collector_changed"} 1.0' in counted

    assert await confirm(world, following) is False
    assert await planner.run_once() == 1
    [(flush_id,)] = await world.stage.rows("SELECT id FROM flushes ORDER BY created_at DESC LIMIT 1")
    async with world.workers_db.read() as conn:
        told = await explain(conn, flush_id)
    assert told is not None
    assert (told["collector"], told["addresses"]) == (following, {"open": 1})
    assert told["next"] == "the sweeper takes it up"


async def test_announced_collector_that_is_dropped_or_reorganised_away_stops_nothing_more(
    world: Sweep,
) -> None:
    await world.paid("20.00")
    following = world.stage.node.accounts[NEXT_COLLECTOR].address
    announced = await world.owner_of_factory("setCollector(address)", following)
    await world.stage.follow()
    assert await stops(world) == [("scheduled", parse_address(following))]
    async with world.workers_db.read() as conn:
        assert [each.collector_alarm for each in await health.followed(conn)] == ["scheduled"]
        told = await explain(conn, announced)
    assert told is not None
    assert [each["says"] for each in told["factory"]] == [f"collector {following} scheduled"]
    assert "bascule sweeper confirm-collector" in told["next"]
    await world.owner_of_factory("unscheduleCollector()")
    await world.stage.follow()
    assert await stops(world) == []
    await world.owner_of_factory("setCollector(address)", following)
    assert await confirm(world, following) is True
    await world.owner_of_factory("unscheduleCollector()")
    await world.stage.follow()
    assert await world.stage.rows("SELECT collector_next FROM networks") == [(None,)]
    announced = await world.owner_of_factory("setCollector(address)", following)
    await world.stage.follow()
    assert len(await stops(world)) == 1, "what was confirmed before it was dropped binds nobody"

    await world.stage.node.dev.reorg(1, drop=[announced])
    await world.stage.follow(1)

    assert await stops(world) == []
    assert await world.planner().run_once() == 1


async def test_word_that_no_receipt_shows_takes_no_scheduled_collector_back(
    world: Sweep, db_as: OpenAs
) -> None:
    """The block's bloom is the same: dropped and scheduled twice, of which the last word is left out."""
    following = world.stage.node.accounts[NEXT_COLLECTOR].address
    await world.owner_of_factory("setCollector(address)", following)
    await world.stage.follow()
    await world.stage.watcher.release()
    async with lying_node(world.stage.node.url) as node:
        world.stage.restart_watcher(await db_as("watcher"), node.url)
        node.twist = lambda method, params, result: (
            result[:-1] if method == "eth_getLogs" else [] if method == "eth_getBlockReceipts" else result
        )
        owner = world.stage.node.accounts[0]
        for call in 2 * (
            calldata("unscheduleCollector()", []),
            calldata("setCollector(address)", [following]),
        ):
            await world.stage.node.send(owner, to=world.factory, data=call)
        with pytest.raises(IncompleteAnswer):
            await world.stage.follow(1)
        [(last,)] = await world.stage.rows(
            "SELECT kind FROM contract_events WHERE canonical"
            " ORDER BY block_number DESC, log_index DESC LIMIT 1"
        )
        assert last == "unscheduled", "it was read"
        assert await stops(world) == [("scheduled", parse_address(following))]

        node.twist = lambda method, params, result: result
        await world.stage.follow()
    assert world.stage.watcher.counters["contract_events_corrected"] == 1
    assert await stops(world) == [("scheduled", parse_address(following))]


async def test_what_a_factory_does_not_say_is_not_confirmed(world: Sweep) -> None:
    following = world.stage.node.accounts[NEXT_COLLECTOR].address
    with pytest.raises(Rejected, match=r"does not name 0x.*: in place is 0x.*, scheduled is none"):
        await confirm(world, following)
    await world.owner_of_factory("setCollector(address)", checksum(world.stage.token.contract))
    with pytest.raises(Rejected, match="is a deposit address or a token"):
        await confirm(world, checksum(world.stage.token.contract))

    assert await world.stage.rows("SELECT 1 FROM audit_log WHERE action = 'collector.confirm'") == []


async def test_foreign_flush_leaves_nothing_to_plan_until_new_money_comes(world: Sweep) -> None:
    intent = await world.intent()
    paid = await world.pay(intent)
    await world.stage.follow(4)
    await world.foreign_flush(paid)
    await world.stage.follow(4)

    assert await world.planner().run_once() == 0
    assert await world.balance(world.collector) == 20_000_000
    await world.require_even()

    await world.pay(intent, "3.00")
    await world.stage.follow(4)
    assert await world.planner().run_once() == 1
    assert await world.stage.rows("SELECT amount FROM flush_items") == [(3_000_000,)]


async def test_address_that_a_call_found_empty_is_not_called_for_again_until_new_money_comes(
    world: Sweep,
) -> None:
    """Rows and chain differ about it, as while a watcher stands still: each call would cost its gas."""
    intent = await world.intent()
    paid = await world.pay(intent)
    await world.stage.follow(4)
    await world.foreign_flush(paid)
    await world.stage.follow(4)
    await world.stage.rows_change("UPDATE deposits SET flushed_block = NULL")
    assert await world.planner().run_once() == 1
    await world.stage.run(await world.sweeper(), rounds=2)
    assert await world.requests() == [("done", [(paid, "elsewhere")])]
    await world.stage.rows_change("UPDATE deposits SET flushed_block = NULL")

    assert await world.planner().run_once() == 0

    await world.pay(intent, "3.00")
    await world.stage.follow(4)
    assert await world.planner().run_once() == 1
    rows = await world.stage.rows("SELECT amount FROM flush_items WHERE outcome = 'open'")
    assert rows == [(3_000_000,)]


async def confirm(world: Sweep, collector: str) -> bool:
    """What an operator says after looking."""
    async with world.stage.owner.read() as conn:
        network = await networks.get(conn, CHAIN)
    assert network is not None
    assert network.deposit_factory is not None
    said = await factory.collectors(world.rpc(), network.deposit_factory)
    async with world.stage.owner.transaction() as conn:
        return await collector_watch.confirm(conn, network, parse_address(collector), said, reason="a test")


async def stops(world: Sweep) -> list[tuple[str, bytes]]:
    """What stops flushes, as every process sees it."""
    rows = await world.stage.rows("SELECT kind, collector FROM stopped_flushes")
    return [(kind, bytes(collector)) for kind, collector in rows]
