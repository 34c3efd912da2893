"""Flushes are planned: what lies there by the rows, what is left alone, and that it is asked once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bascule.domain.chain import parse_address
from bascule.entrypoints.metrics import Meters
from bascule.storage import addresses, networks, tokens
from tests.support.flushing import NEXT_COLLECTOR, Sweep, sweep
from tests.support.money_out import OpenAs

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


async def test_changed_collector_stops_requests_until_it_is_configured(world: Sweep) -> None:
    await world.paid("20.00")
    following = world.stage.node.accounts[NEXT_COLLECTOR].address
    planner = world.planner()
    await world.owner_of_factory("setCollector(address)", following)
    assert await planner.run_once() == 1, "what is only scheduled stops nothing"
    assert planner.counters == {(CHAIN, "collector_scheduled"): 1, (CHAIN, "flushes_requested"): 1}
    await world.owner_of_factory("acceptCollector()")
    await world.paid("30.00")

    assert [await planner.run_once() for _ in range(2)] == [0, 0]
    assert planner.counters[CHAIN, "collector_changed"] == 2
    told = Meters(flushing=planner.counters).text().decode()
    assert 'bascule_flush_total{chain="eip155:31337",what="collector_changed"} 2.0' in told

    await configure_collector(world, following)
    assert await planner.run_once() == 1


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


async def configure_collector(world: Sweep, to: str) -> None:
    """What an operator does after looking: the network names the new collector, and it is ours."""
    world.stage.network = replace(world.stage.network, collector=parse_address(to))
    async with world.stage.owner.transaction() as conn:
        await networks.publish(conn, world.stage.network)
        await addresses.add_own(conn, world.stage.network.chain_id, parse_address(to), "collector")
