"""When a payment is final: by a node's tag or by depth, never twice another block, never back."""

from collections.abc import AsyncIterator
from typing import Literal

import pytest

from bascule.domain.finality import FinalityPolicy
from bascule.services.finalizer import adopt_policy
from bascule.services.watcher import Watcher
from tests.support.money_in import Bridge, OpenAs, bridge
from tests.support.nodes import lying_node


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


async def started(b: Bridge, policy: FinalityPolicy) -> Watcher:
    """A watcher that goes by `policy`, come to rest."""
    b.network = await adopt_policy(b.db, b.network, policy)
    watcher = b.watcher()
    await b.settle_down(watcher)
    return watcher


async def final_number(b: Bridge) -> int:
    [(number,)] = await b.rows("SELECT finalized_number FROM cursors")
    return int(number)


async def test_by_depth_a_payment_is_final_when_so_many_blocks_stand_on_it(b: Bridge) -> None:
    watcher = await started(b, FinalityPolicy("depth", 5))
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")

    for _ in range(4):
        await b.mine()
        await b.settle_down(watcher)
        assert (await b.shown(intent))["status"] == "processing"
    await b.mine()
    await b.settle_down(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    [deposit] = await b.deposits()
    assert (deposit["confirmations"], deposit["confirmations_required"]) == (6, 6)
    assert await b.rows("SELECT finality FROM deposits") == [("depth 5",)]


async def test_nothing_is_final_while_the_chain_is_shorter_than_the_depth(b: Bridge) -> None:
    watcher = await started(b, FinalityPolicy("depth", 40))
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.settle_down(watcher)

    assert await b.rows("SELECT finalized_number FROM cursors") == []
    assert (await b.shown(intent))["status"] == "requires_action"
    assert await b.booked() == {}

    await b.mine(60)
    await b.settle_down(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


async def test_a_depth_larger_than_the_chain_makes_nothing_more_final(b: Bridge) -> None:
    await b.settle_down(await b.started())
    before = await final_number(b)
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.watchers[0].release()

    watcher = await started(b, FinalityPolicy("depth", 5_000))
    await b.mine(30)
    await b.settle_down(watcher)

    assert await final_number(b) == before
    assert (await b.shown(intent))["status"] == "processing"
    assert await b.booked() == {}


@pytest.mark.parametrize("policy", ["finalized", pytest.param("safe", marks=pytest.mark.slow)])
async def test_a_tag_rises_in_steps_and_is_held_where_it_falls_or_is_silent(
    b: Bridge, policy: Literal["finalized", "safe"]
) -> None:
    """By epochs of 32 blocks, as Ethereum's."""
    await b.settle_down(await b.started())
    await b.watchers[0].release()
    b.network = await adopt_policy(b.db, b.network, FinalityPolicy(policy))
    first = await final_number(b)
    steps = [first, first + 32, first + 3, None, 0, first + 32, first + 64]
    tag: list[int | None] = [first]

    async with lying_node(b.node.url) as node:
        true: dict[int, object] = {}

        def twist(method: str, params: list[object], result: object) -> object:
            if method == "eth_getBlockByNumber" and isinstance(result, dict):
                true[int(result["number"], 16)] = result
                if params[0] == policy:
                    return None if tag[0] is None else true[tag[0]]
            return result

        node.twist = twist
        await b.mine(70)
        await b.rpc(node.url).batch([("eth_getBlockByNumber", (hex(n), False)) for n in range(first + 70)])
        watcher = b.watcher(node.url)
        seen = []
        for said in steps:
            tag[0] = said
            await b.settle_down(watcher)
            seen.append(await final_number(b))

    assert seen == [first, first + 32, first + 32, first + 32, first + 32, first + 32, first + 64]
    assert watcher.counters["finality_tag_unknown"] > 0
    hashes = await b.rows(
        "SELECT c.finalized_hash = b.hash FROM cursors c JOIN blocks b"
        " ON b.chain_id = c.chain_id AND b.number = c.finalized_number AND b.canonical"
    )
    assert hashes == [(True,)]


async def test_the_policy_that_settings_name_stands_in_the_network_and_is_audited_once(b: Bridge) -> None:
    for _ in range(2):
        b.network = await adopt_policy(b.db, b.network, FinalityPolicy("safe"))

    assert await b.rows("SELECT finality_kind, finality_depth FROM networks") == [("safe", 0)]
    assert await b.rows("SELECT action, details FROM audit_log") == [
        ("network.finality", {"from": "finalized", "to": "safe"})
    ]
    watcher = await started(b, b.network.finality)
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.settle_down(watcher)
    assert (await b.shown(intent))["status"] == "processing"
    await b.mine()
    await b.settle_down(watcher)
    assert (await b.shown(intent))["status"] == "succeeded"
