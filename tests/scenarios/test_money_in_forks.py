"""Stories of forks of every form: what is stored afterwards is the chain's, each payment counted once."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bascule.domain.chain import checksum
from bascule.domain.errors import Retryable
from tests.support.cases import case
from tests.support.chain import calldata, local_node
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address
from tests.support.nodes import lying_node
from tests.support.stored import stored_transfers


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    """Six blocks behind the head are final, so that five can be replaced."""
    async with bridge(db_as, finalized=6) as made:
        yield made
        await made.require_chain_and_rows_agree()


async def back_to(b: Bridge, snapshot: str) -> None:
    """The chain as it was; what comes next gets other times, and so other hashes."""
    assert await b.node.rpc("evm_revert", snapshot)
    b.clock.advance(7)


async def states(b: Bridge) -> list[tuple[str, str]]:
    return [(deposit["amount"], deposit["status"]) for deposit in await b.deposits()]


async def test_another_payment_on_the_fork_takes_the_place_of_the_first(b: Bridge) -> None:
    """1 <- 2(pay 4)   becomes   1 <- 2'(pay 9) <- 3'"""
    watcher = await b.started()
    intent = await b.intent("9.00")
    await b.settle_down(watcher)
    fork = await b.node.rpc("evm_snapshot")
    await b.pay(intent, "4.00")
    await b.settle_down(watcher)
    await back_to(b, fork)

    await b.pay(intent, "9.00", payer=2)
    await b.mine()
    await b.settle_down(watcher)

    assert await states(b) == [("4.000000", "orphaned"), ("9.000000", "detected")]
    assert await b.rows("SELECT amount, canonical FROM transfers ORDER BY amount") == [
        (4_000_000, False),  # kept, and counted nowhere
        (9_000_000, True),
    ]
    assert (await b.shown(intent))["amount_received"] == "9.000000"


async def test_a_payment_mined_again_five_blocks_deep_at_another_place_is_the_same_deposit(b: Bridge) -> None:
    """Another transaction of its block is dropped, so that it moves to another index too."""
    watcher = await b.started()
    intents = [await b.intent("5.00"), await b.intent("10.00")]
    first = await b.send(deposit_address(intents[0]), "5.00", payer=1)
    await b.send(deposit_address(intents[1]), "10.00", payer=2)
    await b.mine(5)
    await b.settle_down(watcher)
    [_, before] = await b.deposits()

    await b.node.dev.reorg(5, drop=[first])
    await b.settle_down(watcher)

    [after] = await b.deposits("detected")
    assert after["id"] == before["id"]
    assert (before["log_index"], after["log_index"]) == (1, 0)
    assert after["block_number"] == before["block_number"] + 5
    await b.mine(8)
    await b.settle_down(watcher)
    assert [(await b.shown(intent))["status"] for intent in intents] == ["requires_action", "succeeded"]
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


async def test_the_merchant_is_told_when_a_payment_is_gone_for_good(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    tx_hash = await b.pay(intent, "10.00")
    await b.settle_down(watcher)
    told = len(await b.events())

    await b.node.dev.reorg(1, drop=[tx_hash])
    await b.settle_down(watcher)

    assert (await b.events())[told:] == [
        "deposit.orphaned",
        "payment_intent.reorged",
        "payment_intent.requires_action",
        "network.reorg_detected",  # to the operator
    ]
    assert (await b.shown(intent))["status"] == "requires_action"


@pytest.mark.slow
async def test_a_chain_that_returns_to_its_first_fork_leaves_the_first_rows(
    db_as: OpenAs, tmp_path: Path
) -> None:
    """2(pay 10) becomes 2'(pay 3), and then 2(pay 10) again, the very same blocks; four times over."""
    async with bridge(db_as, finalized=6, data_dir=tmp_path / "chain") as b:
        intent = await b.intent("10.00")
        shutil.copytree(tmp_path / "chain", tmp_path / "fork")
        async with lying_node(b.node.url) as node, local_node(data_dir=tmp_path / "fork") as other:
            watcher = b.watcher(node.url)
            await b.settle_down(watcher)
            await b.pay(intent, "10.00")
            await b.mine()
            data = calldata("transfer(address,uint256)", [deposit_address(intent), 3_000_000])
            await other.send(b.account(2), to=checksum(b.token.contract), data=data)
            await other.dev.chain.mine(2, int(b.clock.now().timestamp()) + 100)
            await b.settle_down(watcher)
            first, [deposit] = await stored_transfers(b.owner, b.network.chain_id), await b.deposits()
            for _ in range(4):
                node.target = other.url
                await b.settle_down(watcher)
                assert await states(b) == [("10.000000", "orphaned"), ("3.000000", "detected")]
                node.target = b.node.url
                await b.settle_down(watcher)
                assert await stored_transfers(b.owner, b.network.chain_id) == first
                [again] = await b.deposits("detected")
                assert (again["id"], again["block_hash"]) == (deposit["id"], deposit["block_hash"])
        assert watcher.counters["deposits_detected"] == 2
        await b.require_chain_and_rows_agree()


async def test_a_fork_that_is_shorter_is_taken_at_once(b: Bridge) -> None:
    """20 <- 21 <- 22   becomes   20'   and grows."""
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.settle_down(watcher)
    fork = await b.node.rpc("evm_snapshot")
    await b.pay(intent, "10.00")
    await b.mine(2)
    await b.settle_down(watcher)
    await back_to(b, fork)
    await b.mine()
    assert await watcher.run_once() == 3
    assert await states(b) == [("10.000000", "orphaned")]

    await b.mine(2)
    await b.settle_down(watcher)

    assert await states(b) == [("10.000000", "orphaned")]
    assert watcher.counters["reorgs"] == 1


async def test_two_forks_in_a_row_leave_the_last_one(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.settle_down(watcher)

    for depth in (1, 3):
        await b.node.dev.reorg(depth)
        await watcher.run_once()  # back to the fork; the next fork comes before the way forward
    await b.node.dev.reorg(2)
    await b.settle_down(watcher)

    assert await states(b) == [("10.000000", "detected")]
    assert watcher.counters["deposits_detected"] == 1


BETWEEN = {
    "after the head was read": '"latest"',
    "while headers are read": '"eth_getBlockByNumber"',
    "between headers and logs": '"eth_getLogs"',
    "between reading and proving": '"eth_getBlockByHash"',
    "while it is proven": '"eth_getBlockReceipts"',
    "before finality is asked for": '"finalized"',
}


@pytest.mark.slow
@pytest.mark.parametrize("rolling_back", [False, True], ids=["going forward", "rolling back"])
async def test_a_fork_between_two_reads_of_one_step_mixes_nothing(b: Bridge, rolling_back: bool) -> None:
    """The chain changes right before the node answers; both chains hold a payment in that block."""
    for name, where in BETWEEN.items():
        with case(name):
            await forked_between(b, where, rolling_back)


async def forked_between(b: Bridge, where: str, rolling_back: bool) -> None:
    starter, known = b.watcher(), len(await b.deposits())
    await starter.run_once()
    await b.mine(3)  # so that no fork reaches the payments before
    intent = await b.intent("10.00")
    await b.pay(intent, "4.00")
    if rolling_back:
        await b.settle_down(starter)
        await b.node.dev.reorg(1)
    await starter.release()
    forked = []

    async def fork(request: str) -> None:
        if where in request and not forked:
            forked.append(where)
            await b.send(deposit_address(intent), "6.00", payer=2)
            await b.node.dev.reorg(2)

    async with lying_node(b.node.url) as node:
        watcher = b.watcher(node.url)
        node.before = fork
        for _ in range(12):
            try:
                await watcher.run_once()
            except Retryable:
                continue
        await b.settle_down(watcher)
        await watcher.release()

    assert forked
    assert sorted((await states(b))[known:]) == [("4.000000", "detected"), ("6.000000", "detected")]
    assert (await b.shown(intent))["status"] == "processing"


async def test_a_fork_of_empty_blocks_alone_is_followed(b: Bridge) -> None:
    watcher = await b.started()
    await b.mine(4)
    await b.settle_down(watcher)

    await b.node.dev.reorg(4)
    await b.settle_down(watcher)

    assert (watcher.counters["reorgs"], watcher.counters["blocks_orphaned"]) == (1, 4)
    assert await b.rows("SELECT count(*) FROM blocks WHERE NOT canonical") == [(4,)]


async def test_a_fork_while_no_watcher_runs_is_found_by_the_next_one(b: Bridge) -> None:
    first = await b.started()
    intent = await b.intent("10.00")
    gone = await b.pay(intent, "4.00")
    await b.pay(intent, "6.00", payer=2)
    await b.settle_down(first)
    await first.release()
    await b.node.dev.reorg(3, drop=[gone])
    await b.pay(intent, "7.00", payer=3)

    second = b.watcher(blocks_per_step=2)
    await b.settle_down(second)

    assert sorted(await states(b)) == [
        ("4.000000", "orphaned"),
        ("6.000000", "detected"),
        ("7.000000", "detected"),
    ]
    assert second.counters["reorgs"] == 1
