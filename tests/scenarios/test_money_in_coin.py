"""Native coin sent to a deposit address: a deposit with a reason, in no books, and how it leaves again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bascule.domain.chain import ZERO_ADDRESS, checksum
from bascule.entrypoints.cli import sweeping
from bascule.entrypoints.explaining import explain
from bascule.services import deposits
from bascule.services.coins import EVERY, Coins
from bascule.settings import load
from tests.support.flushing import CUSTOMER, Sweep, sweep
from tests.support.money_in import deposit_address
from tests.support.money_out import SEED, OpenAs
from tests.support.nodes import lying_node

ETHER = 10**18


@pytest.fixture
async def world(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Sweep]:
    async with sweep(db_as, tmp_path) as built:
        yield built


async def send_coin(world: Sweep, to: str, wei: int) -> None:
    """From a customer's wallet, until it is final; a forwarder that stands takes more gas than 21,000."""
    node = world.stage.node
    await node.send(node.accounts[CUSTOMER], to=to, value=wei, gas=60_000)
    await world.stage.follow(4)


async def look(world: Sweep) -> list[dict[str, Any]]:
    """The deposits of coin, after the watcher looked for it."""
    world.stage.clock.advance(EVERY)
    await world.stage.follow(4)
    async with world.workers_db.read() as conn:
        rows = await world.stage.rows("SELECT id FROM deposits ORDER BY created_at, id")
        shown = await deposits.describe_many(conn, [row[0] for row in rows])
    return [each for each in shown if each["contract"] == checksum(ZERO_ADDRESS)]


async def test_coin_becomes_a_deposit_once_that_counts_for_nothing_and_says_why(world: Sweep) -> None:
    intent = await world.intent("20.00")
    to = deposit_address(intent)
    await send_coin(world, to, ETHER)

    [deposit] = await look(world)
    assert (deposit["status"], deposit["unapplied_reason"]) == ("finalized", "unsupported_token")
    assert (deposit["amount_atomic"], deposit["to"], deposit["application"]) == (str(ETHER), to, None)
    assert (deposit["tx_hash"], deposit["log_index"], deposit["from"], deposit["evidence"]) == (None,) * 4
    assert [each["id"] for each in await look(world)] == [deposit["id"]]
    await send_coin(world, to, 5)

    assert [each["amount_atomic"] for each in await look(world)] == [str(ETHER), "5"]
    told = await world.stage.rows("SELECT type FROM outbox WHERE starts_with(type, 'deposit.') ORDER BY id")
    assert [each for (each,) in told] == ["deposit.detected", "deposit.unapplied", "deposit.finalized"] * 2
    await world.pay(intent)
    await world.stage.follow(4)
    assert await world.stage.rows("SELECT state FROM payment_intents") == [("succeeded",)]
    await world.require_even()


async def test_printed_call_takes_coin_to_the_collector_and_what_comes_later_is_another_deposit(
    world: Sweep, database_url: Any
) -> None:
    to = deposit_address(await world.intent("20.00"))
    await send_coin(world, to, ETHER)
    [deposit] = await look(world)
    settings = load(
        {"BASCULE_DATABASE_URL": database_url(), "BASCULE_DEPOSIT_SEED": SEED.hex()},
    )
    async with world.workers_db.read() as conn:
        told = await explain(conn, deposit["id"])
    assert told is not None
    assert f"bascule sweeper coin-call --chain 31337 --address {to}" in told["next"]

    call = await sweeping._coin_call(settings, "31337", to)
    node = world.stage.node
    before = int(await node.rpc("eth_getBalance", world.collector, "latest"), 16)
    receipt = await node.transact(
        node.accounts[CUSTOMER], to=call["to"], data=bytes.fromhex(call["data"][2:])
    )
    assert receipt["status"] == "0x1"
    assert int(await node.rpc("eth_getBalance", world.collector, "latest"), 16) - before == ETHER

    assert [each["id"] for each in await look(world)] == [deposit["id"]]
    await send_coin(world, to, ETHER)
    assert [each["amount_atomic"] for each in await look(world)] == [str(ETHER)] * 2


async def test_balance_that_two_answers_do_not_agree_on_is_no_deposit(world: Sweep) -> None:
    await world.intent("20.00")
    await world.stage.follow(4)
    answers = iter(range(1, 1_000))
    async with lying_node(world.stage.node.url) as liar:
        liar.twist = lambda method, params, result: (
            hex(next(answers)) if method == "eth_getBalance" else result
        )
        watcher = world.stage.watcher
        looking = Coins(
            watcher._db, world.rpc(liar.url), 31337, world.stage.clock, watcher._openings.entropy,
            watcher.counters,
        )  # fmt: skip
        world.stage.clock.advance(timedelta(minutes=1))

        assert await looking.moved(1) == []

    assert watcher.counters["coins_disputed"] == 1
