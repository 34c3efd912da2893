"""Stories of nodes that fewer than a quorum believe: they hold nobody's money up, and make nothing up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from bascule.chain.pool import Pool, pool
from bascule.domain.chain import checksum
from bascule.domain.errors import Retryable
from bascule.services.balance_check import BalancesDisputed
from bascule.storage import addresses
from tests.scenarios.test_money_in_early import allow
from tests.support.issuing import accept_quirk, suspended
from tests.support.money_in import Bridge, OpenAs, address_of, bridge
from tests.support.nodes import LyingNode, Refuse, Twist, lying_node, resealed


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def several(stack: AsyncExitStack, b: Bridge, count: int, quorum: int) -> tuple[list[LyingNode], Pool]:
    """True nodes that a twist may bend, and a pool of them that hears each one."""
    nodes = [await stack.enter_async_context(lying_node(b.node.url)) for _ in range(count)]
    rpcs = [(b.rpc(node.url), 1) for node in nodes]
    return nodes, pool(rpcs, chain_id=b.network.chain_id, quorum=quorum, patience_s=60.0)


def states(nodes: Pool) -> list[str]:
    return [node.state.value for node in nodes.nodes]


def holding(amount: int) -> Twist:
    """Every address has so much of every token."""

    def twisted(method: str, params: list[Any], result: Any) -> Any:
        asked = method == "eth_call" and params[0]["data"].startswith("0x70a08231")
        return "0x" + amount.to_bytes(32, "big").hex() if asked else result

    return twisted


def pruned(method: str, params: list[Any], result: Any) -> Any:
    """No state is left."""
    if method == "eth_call":
        raise Refuse("missing trie node 00 (path ) state 0x00 is not available, not found")
    return result


def knows_no_block(method: str, params: list[Any], result: Any) -> Any:
    return None if method == "eth_getBlockByNumber" and params[0].startswith("0x") else result


def other_blocks(method: str, params: list[Any], result: Any) -> Any:
    return resealed(result) if method == "eth_getBlockByNumber" and result else result


@pytest.mark.parametrize(("twist", "state"), [(knows_no_block, "alive"), (other_blocks, "lying")])
async def test_one_node_without_our_final_block_keeps_no_address_from_being_opened(
    b: Bridge, twist: Twist, state: str
) -> None:
    async with AsyncExitStack() as stack:
        nodes, asked = await several(stack, b, 3, quorum=2)
        watcher = b.watcher(asked)
        await b.settle_down(watcher)
        await b.send(b.account(7).address, "30.00")
        await b.finalize(watcher)
        async with b.owner.transaction() as conn:
            await addresses.add_own(conn, b.network.chain_id, address_of(b.account(7)), "vault")
        nodes[2].twist = twist
        await b.settle_down(watcher)

    assert await b.booked() == {"custody:vault": 30_000_000, "available:operator": -30_000_000}
    assert states(asked) == ["alive", "alive", state]


async def test_one_nodes_word_on_the_age_of_blocks_makes_no_payment_an_opening(b: Bridge) -> None:
    """It says of each block but the newest, when it is asked for the first time, that it is from 1970."""
    intent = await b.intent("10.00")
    b.clock.advance(120)
    await b.pay(intent, "10.00")
    await b.mine(4)
    newest = hex(int(await b.node.rpc("eth_blockNumber"), 16))
    await b.mine(4)
    b.network = replace(b.network, start_block=int(newest, 16))
    asked_for: set[str] = set()

    def older(method: str, params: list[Any], result: Any) -> Any:
        by_number = method == "eth_getBlockByNumber" and params[0].startswith("0x")
        if not by_number or params[0] in {newest, *asked_for}:
            return result
        asked_for.add(params[0])
        return resealed({**result, "timestamp": "0x1"})

    async with AsyncExitStack() as stack:
        nodes, asked = await several(stack, b, 3, quorum=2)
        nodes[0].twist = older
        await b.settle_down(b.watcher(asked))

    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}
    assert states(asked) == ["lying", "alive", "alive"]


async def test_fewer_than_a_quorum_suspend_no_token_by_what_they_say_of_balances(b: Bridge) -> None:
    intent = await b.intent("10.00")
    async with AsyncExitStack() as stack:
        nodes, asked = await several(stack, b, 5, quorum=3)
        watcher = b.watcher(asked)
        await b.settle_down(watcher)
        nodes[0].twist = nodes[1].twist = holding(7)
        await b.pay(intent, "10.00")
        await b.finalize(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    assert await suspended(b) is None
    assert states(asked) == ["lying", "lying", "alive", "alive", "alive"]


async def moves_nothing(b: Bridge, intent: dict[str, Any]) -> Twist:
    """A token that logs alone pays; a node that says it moved the money all the same."""
    paid = int(await b.node.rpc("eth_blockNumber"), 16) + 1
    await b.pay(intent, "10.00")

    def moved(method: str, params: list[Any], result: Any) -> Any:
        asked = method == "eth_call" and params[0]["data"].startswith("0x70a08231")
        held = 10_000_000 if asked and int(params[1], 16) >= paid else 0
        return "0x" + held.to_bytes(32, "big").hex() if asked else result

    return moved


async def test_one_nodes_word_that_balances_fit_the_logs_credits_nothing(b: Bridge) -> None:
    await accept_quirk(b, "LogsWithoutMoving")
    async with AsyncExitStack() as stack:
        nodes, asked = await several(stack, b, 3, quorum=2)
        watcher = b.watcher(asked)
        await b.settle_down(watcher)
        intent = await b.intent("10.00")
        nodes[0].twist = await moves_nothing(b, intent)
        await b.finalize(watcher)

    assert await suspended(b) == "balance_mismatch"
    assert (await b.shown(intent))["status"] == "processing"
    assert await b.booked() == {}
    assert states(asked) == ["lying", "alive", "alive"]


async def test_balances_that_fewer_than_a_quorum_keep_are_checked_by_those_and_counted(b: Bridge) -> None:
    """Of the two that keep them one lies: they must agree before anything is credited."""
    await accept_quirk(b, "LogsWithoutMoving")
    async with AsyncExitStack() as stack:
        nodes, asked = await several(stack, b, 5, quorum=3)
        watcher = b.watcher(asked)
        await b.settle_down(watcher)
        intent = await b.intent("10.00")
        nodes[0].twist = await moves_nothing(b, intent)
        nodes[2].twist = nodes[3].twist = nodes[4].twist = pruned
        await b.mine(5)
        with pytest.raises(BalancesDisputed):
            await b.settle_down(watcher)
        assert await suspended(b) is None
        nodes[0].twist = lambda method, params, result: result
        await b.settle_down(watcher)

    assert await suspended(b) == "balance_mismatch"
    assert watcher.counters["balances_told_by_few"] > 0


@pytest.mark.parametrize(("count", "quorum"), [(3, 2), (2, 1)])
async def test_a_broken_token_that_one_node_alone_can_tell_of_holds_up_no_other_money(
    b: Bridge, count: int, quorum: int
) -> None:
    """The others keep no balances of those blocks, and never will again: nobody is waited for."""
    plain, whole = checksum(b.token.contract), await b.intent("4.00")
    await accept_quirk(b, "LogsWithoutMoving")
    async with AsyncExitStack() as stack:
        nodes, asked = await several(stack, b, count, quorum)
        watcher = b.watcher(asked)
        await b.settle_down(watcher)
        await b.pay(await b.intent("10.00"), "10.00")
        await b.pay(whole, "4.00", token=plain)
        for node in nodes[1:]:
            node.twist = pruned
        await b.finalize(watcher)

    assert await suspended(b) == "balance_mismatch"
    assert [each["status"] for each in await b.deposits()] == ["detected", "finalized"]
    assert (await b.shown(whole))["status"] == "succeeded"
    assert await b.booked() == {}, "nothing of the broken token is"
    assert states(asked) == ["alive"] * count


async def test_who_has_not_reached_a_block_yet_is_waited_for_where_one_node_has_its_balances(
    b: Bridge,
) -> None:
    """It says that it has none, too; it will, and speaks for the token then."""
    intent = await b.intent("10.00")
    async with AsyncExitStack() as stack:
        nodes, asked = await several(stack, b, 2, quorum=1)
        watcher = b.watcher(asked)
        await b.settle_down(watcher)
        await b.pay(intent, "10.00")
        nodes[0].twist = holding(7)

        def behind(method: str, params: list[Any], result: Any) -> Any:
            return pruned(method, params, knows_no_block(method, params, result))

        nodes[1].twist = behind
        await b.mine(5)
        with pytest.raises(BalancesDisputed):
            await b.settle_down(watcher)
        assert await suspended(b) is None
        assert await b.booked() == {}

        nodes[0].twist = nodes[1].twist = lambda method, params, result: result
        await b.settle_down(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"


async def test_one_node_that_makes_up_names_of_transactions_keeps_no_payment_from_being_final(
    b: Bridge,
) -> None:
    """One of two nodes is believed, and the first bends what nothing seals in its headers."""

    def bent(method: str, params: list[Any], result: Any) -> Any:
        if method not in ("eth_getBlockByHash", "eth_getBlockByNumber") or not result:
            return result
        return {**result, "transactions": ["0x" + "99" * 32 for _ in result["transactions"]]}

    async with AsyncExitStack() as stack:
        nodes, asked = await several(stack, b, 2, quorum=1)
        watcher = b.watcher(asked)
        await b.settle_down(watcher)
        nodes[0].twist = bent
        intent = await b.intent("10.00")
        tx_hash = await b.pay(intent, "10.00")
        await b.finalize(watcher)

    [deposit] = await b.deposits("finalized")
    assert deposit["tx_hash"] == tx_hash
    assert (await b.shown(intent))["status"] == "succeeded"


async def test_nodes_that_have_no_state_left_are_no_witnesses_against_a_token(b: Bridge) -> None:
    """Of two that have it one lies: nothing is held against the token, nothing becomes final meanwhile."""
    intent = await b.intent("10.00")
    async with AsyncExitStack() as stack:
        nodes, asked = await several(stack, b, 5, quorum=3)
        watcher = b.watcher(asked)
        await b.settle_down(watcher)
        await b.pay(intent, "10.00")
        nodes[0].twist = holding(7)
        for node in nodes[2:]:
            node.twist = pruned
        await b.mine(5)
        with pytest.raises(Retryable):
            await b.settle_down(watcher)
        assert await suspended(b) is None

        nodes[2].twist = nodes[3].twist = lambda method, params, result: result
        await b.settle_down(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    assert states(asked)[0] == "lying"


@pytest.mark.parametrize(
    ("third", "early", "state"), [(None, "succeeded", "lagging"), (pruned, "processing", "alive")]
)
async def test_who_differs_above_what_is_final_is_no_liar(
    db_as: OpenAs, third: Twist | None, early: str, state: str
) -> None:
    """It may stand on a fork. Where nobody decides, the intent succeeds when its money is final."""
    async with bridge(db_as, finalized=8) as b, AsyncExitStack() as stack:
        await allow(b, 100, depth_2=20)
        nodes, asked = await several(stack, b, 3, quorum=2)
        watcher = b.watcher(asked)
        await b.settle_down(watcher)
        intent = await b.intent("10.00")
        await b.pay(intent, "10.00")
        nodes[0].twist = holding(7)
        nodes[2].twist = third or nodes[2].twist
        await b.mine(3)
        await b.settle_down(watcher)

        assert (await b.shown(intent))["status"] == early
        assert states(asked) == [state, "alive", "alive"]


async def test_a_newest_block_of_one_node_alone_is_no_reorganisation(b: Bridge) -> None:
    async with AsyncExitStack() as stack:
        nodes, asked = await several(stack, b, 3, quorum=2)
        watcher = b.watcher(asked)
        await b.mine(5)
        await b.settle_down(watcher)
        nodes[0].twist = other_blocks
        await b.settle_down(watcher)

    assert "network.reorg_detected" not in await b.events()
    assert watcher.counters["reorgs"] == 0
    assert states(asked) == ["lagging", "alive", "alive"]
