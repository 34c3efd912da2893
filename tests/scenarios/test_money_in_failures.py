"""Stories of lying nodes, crashes and rivals: late is allowed, lost or twice is not."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bascule.chain.errors import IncompleteAnswer, WrongChain, WrongShape
from bascule.domain.chain import checksum
from bascule.domain.errors import Retryable
from bascule.storage import tokens
from bascule.storage.leases import LeaseLost
from tests.support.cases import long_after
from tests.support.chain import calldata
from tests.support.crashing import Crash, Crashing
from tests.support.fault_proxy import fault_proxy
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address
from tests.support.nodes import lying_node, resealed


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made
        await made.require_chain_and_rows_agree()


@pytest.mark.parametrize(
    ("lie", "refusal"),
    [
        ({"kind": "empty"}, IncompleteAnswer),
        ({"kind": "truncate"}, IncompleteAnswer),
        ({"kind": "omit"}, IncompleteAnswer),
        ({"kind": "bend", "field": "blockHash"}, WrongShape),
    ],
)
async def test_logs_that_are_not_the_whole_truth_are_refused_and_nothing_is_lost(
    b: Bridge, lie: dict[str, str], refusal: type[Retryable]
) -> None:
    first = b.watcher()
    await first.run_once()
    await first.release()
    async with fault_proxy(b.node.url) as proxy:
        watcher = b.watcher(proxy.url)
        await b.settle_down(watcher)
        intent = await b.intent("10.00")
        address = deposit_address(intent)
        await b.send(address, "4.00", payer=1)
        await b.send(address, "6.00", payer=2)
        await b.mine()

        with proxy.lying(lie):
            for _ in range(3):
                with pytest.raises(refusal):
                    await watcher.run_once()
        assert await b.deposits() == []
        assert await b.stored() == []

        await b.finalize(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    assert watcher.counters["answers_refused"] == (3 if refusal is IncompleteAnswer else 0)


async def test_a_node_of_another_chain_is_refused_before_anything_is_read(b: Bridge) -> None:
    async with fault_proxy(b.node.url) as proxy:
        proxy.set("wrong_chain")
        with pytest.raises(WrongChain):
            await b.watcher(proxy.url).run_once()

    assert await b.rows("SELECT * FROM cursors") == []
    await b.finalize(await b_takes_over(b))


async def b_takes_over(b: Bridge) -> Any:
    """A fresh watcher on the true node, after all others let go."""
    for watcher in b.watchers:
        await watcher.release()
    return b.watcher()


@pytest.mark.parametrize(
    ("failpoint", "nth"),
    long_after(
        6,
        [
            ("watcher.before_start", 1),
            ("watcher.after_start", 1),
            *(
                (name, nth)
                for nth in (1, 2, 3)
                for name in (
                    "watcher.before_commit",
                    "watcher.after_commit",
                    "watcher.before_finalize_commit",
                    "watcher.after_finalize_commit",
                )
            ),
        ],
    ),
)
async def test_a_crash_at_any_commit_leaves_each_deposit_booked_once(
    b: Bridge, failpoint: str, nth: int
) -> None:
    dying = b.watcher(failpoints=Crashing(failpoint, nth))
    intent = await b.intent("10.00")
    owed = 2
    crashed = False
    while not crashed:
        try:
            await dying.run_once()
        except Crash:
            crashed = True
        else:
            await b.mine(2)
            if owed:
                await b.pay(intent, "5.00")
                owed -= 1

    watcher = await b_takes_over(b)
    await b.settle_down(watcher)
    for _ in range(owed):
        await b.pay(intent, "5.00")
    await b.finalize(watcher)

    shown = await b.shown(intent)
    assert (shown["status"], shown["amount_confirmed"]) == ("succeeded", "10.000000")
    assert [d["status"] for d in await b.deposits()] == ["finalized", "finalized"]
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}
    events = await b.events()
    assert [events.count(f"deposit.{what}") for what in ("detected", "applied", "finalized")] == [2, 2, 2]
    assert events.count("payment_intent.succeeded") == 1


async def test_a_restarted_watcher_goes_on_where_the_last_one_stopped(b: Bridge) -> None:
    first = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "4.00")
    await b.settle_down(first)
    await first.release()
    await b.pay(intent, "6.00")
    await b.mine(3)

    second = b.watcher(blocks_per_step=2)
    await b.finalize(second)

    assert (await b.shown(intent))["status"] == "succeeded"
    assert len(await b.deposits()) == 2


async def test_a_second_watcher_waits_until_the_first_ones_lease_is_over(b: Bridge) -> None:
    first = await b.started()
    second = b.watcher()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")

    assert await second.run_once() == 0
    assert await b.deposits() == []

    await b.settle_down(first)
    assert len(await b.deposits()) == 1
    await first.release()
    await b.finalize(second)
    assert await first.run_once() == 0
    assert (await b.shown(intent))["status"] == "succeeded"


async def test_a_watcher_that_was_paused_past_its_lease_writes_nothing(b: Bridge) -> None:
    """It has read the block already; while it waits for the logs, another watcher takes over."""
    starter = await b.started()
    await b.settle_down(starter)
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await starter.release()
    async with lying_node(b.node.url) as node:
        paused = b.watcher(node.url)
        rival = b.watcher()

        async def take_over(request: str) -> None:
            if "eth_getLogs" in request:
                node.before = None
                await paused.release()
                await b.settle_down(rival)

        node.before = take_over
        with pytest.raises(LeaseLost):
            await paused.run_once()

    assert len(await b.deposits()) == 1
    [(epoch,)] = await b.rows("SELECT epoch FROM leases")
    assert epoch == 3
    await b.finalize(rival)
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


async def test_a_chain_is_not_taken_over_before_its_start_block_is_final(b: Bridge) -> None:
    b.network = replace(b.network, start_block=9)
    watcher = b.watcher()

    assert await watcher.run_once() == 0
    await b.mine(6)
    await b.settle_down(watcher)

    assert await b.rows("SELECT min(number) FROM blocks") == [(9,)]


async def test_a_final_block_the_node_shows_otherwise_promotes_nothing(b: Bridge) -> None:
    """The node's head is ours, but the block it calls final is not the one we read."""
    starter = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.mine(2)
    await b.settle_down(starter)
    await starter.release()
    async with lying_node(b.node.url) as node:
        watcher = b.watcher(node.url)
        b.node.dev.chain.set_finality(safe=1, finalized=1)
        target = hex(int(await b.node.rpc("eth_blockNumber"), 16) - 1)

        def another_block(method: str, params: list[Any], result: Any) -> Any:
            return resealed(result) if params[:1] == [target] else result

        node.twist = another_block
        await watcher.run_once()
        assert (await b.shown(intent))["status"] == "processing"

        node.twist = lambda method, params, result: result
        await b.settle_down(watcher)
    assert (await b.shown(intent))["status"] == "succeeded"


async def test_a_token_that_is_suspended_takes_nothing_back_and_stops_no_other_payment(b: Bridge) -> None:
    """What was applied stays applied; what comes later is listed only."""
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "4.00")
    await b.settle_down(watcher)
    async with b.owner.transaction() as conn:
        await tokens.publish(conn, replace(b.token, accepted=False))

    await b.pay(intent, "6.00")
    await b.settle_down(watcher)

    shown = await b.shown(intent)
    assert (shown["status"], shown["amount_received"]) == ("requires_action", "4.000000")
    assert [d["unapplied_reason"] for d in await b.deposits()] == [None, "unsupported_token"]


async def test_an_amount_beyond_belief_is_held_and_stops_no_other_payment(b: Bridge) -> None:
    """In the currency's finer units it has more digits than a total on disk can have."""
    watcher = await b.started()
    intent = await b.intent("10.00")
    mint = calldata("mint(address,uint256)", [deposit_address(intent), 2**255])
    await b.node.send(b.account(0), to=checksum(b.token.contract), data=mint)
    await b.mine()
    await b.settle_down(watcher)
    assert (await b.shown(intent))["amount_received"] == "0.000000"

    await b.pay(intent, "10.00")
    await b.finalize(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    assert [d["unapplied_reason"] for d in await b.deposits()] == ["held", None]
    assert "payment_intent.held" in await b.events()


async def test_payments_that_were_final_before_the_chain_was_first_watched_are_found(b: Bridge) -> None:
    """The API was up before the watcher: its addresses are older than the block the node calls final."""
    intent = await b.intent("10.00")
    b.clock.advance(120)
    await b.pay(intent, "10.00")
    await b.mine(5)

    await b.settle_down(b.watcher())

    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


async def test_a_node_slower_than_the_lease_is_still_read_while_nobody_else_wants_it(b: Bridge) -> None:
    starter = await b.started()
    await b.settle_down(starter)
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await starter.release()
    async with lying_node(b.node.url) as node:

        async def take_long(request: str) -> None:
            if "eth_getLogs" in request or '"finalized"' in request:
                async with b.owner.transaction() as conn:
                    await conn.execute("UPDATE leases SET expires_at = clock_timestamp()")

        node.before = take_long
        await b.finalize(b.watcher(node.url))

    assert (await b.shown(intent))["status"] == "succeeded"
