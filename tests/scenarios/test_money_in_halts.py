"""Stories of final blocks in doubt: the chain halts for everybody, until a hash or a person settles it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bascule.chain.errors import NodeUnreachable
from bascule.domain.errors import Halted
from bascule.domain.finality import FinalizedBlockGone
from bascule.services import halts
from bascule.services.watcher import Watcher
from bascule.storage import addresses, blocks
from bascule.storage.blocks import ChainHalted
from tests.support.cases import long_after
from tests.support.chain import local_node
from tests.support.crashing import Crash, Crashing
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.money_in import Bridge, OpenAs, address_of, bridge
from tests.support.nodes import lying_node, resealed

NOBODY = "http://127.0.0.1:9"
FORKED_AT = 6  # blocks below the head; 3 of them are final


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def halted_reason(b: Bridge) -> str | None:
    [(reason,)] = await b.rows("SELECT halted_reason FROM cursors")
    return reason


async def audited(b: Bridge) -> list[tuple[str, str]]:
    found = await b.rows("SELECT actor, action FROM audit_log WHERE action LIKE 'chain.%' ORDER BY id")
    return [(actor, action) for actor, action in found]


async def resume(b: Bridge) -> bool:
    """What the operator's command does."""
    async with b.owner.transaction() as conn:
        cursor = await blocks.cursor(conn, b.network.chain_id)
        assert cursor is not None
        details = {"reason": "looked at by hand"}
        return await halts.lift(conn, cursor, b.network, b.outbox, actor="cli", details=details)


@pytest.mark.parametrize(
    ("mined", "empty", "offline"),
    long_after(
        2,
        [
            pytest.param(FORKED_AT, False, False, id="as high"),
            pytest.param(FORKED_AT, True, True, id="as high while offline"),
            pytest.param(40, False, False, id="higher"),
            pytest.param(4, False, False, id="lower"),
            pytest.param(2, False, False, id="below what was final"),
            pytest.param(7, True, False, id="among empty blocks"),
            pytest.param(40, False, True, id="higher while offline"),
        ],
    ),
)
async def test_final_block_that_another_chain_replaced_halts_within_two_polls(
    b: Bridge, mined: int, empty: bool, offline: bool
) -> None:
    """4 <- ... <- 7(final) <- ... <- 10   becomes   4 <- 5' <- ...   of any length, seen at once or later."""
    watcher = await b.started()
    intent = await b.intent("10.00")
    before = await b.node.rpc("evm_snapshot")
    if empty:
        await b.mine()
    else:
        await b.pay(intent, "10.00")
    await b.finalize(watcher)
    booked, stored = await b.booked(), await b.stored()
    if offline:
        await watcher.release()
        watcher = b.watcher()

    await b.node.rpc("evm_revert", before)
    b.clock.advance(60)
    await b.mine(mined)
    for _ in range(2):
        with pytest.raises(Halted, match="was final"):
            await watcher.run_once()

    assert (await halted_reason(b) or "").endswith("was final.")
    assert (await b.booked(), await b.stored()) == (booked, stored)
    assert await audited(b) == [("process:watcher", "chain.halt")]
    assert (await b.events())[-1] == "network.degraded"


async def test_a_deep_reorg_halts_though_an_own_address_waits_for_its_first_balance(b: Bridge) -> None:
    """What it held at our final block nobody tells, as that block is gone: that hides nothing."""
    watcher = await b.started()
    await b.finalize(watcher)
    async with b.owner.transaction() as conn:
        await addresses.add_own(conn, b.network.chain_id, address_of(b.account(7)), "wallet")
    await b.node.dev.reorg(FORKED_AT)

    with pytest.raises(Halted, match="was final"):
        await watcher.run_once()

    assert (await halted_reason(b) or "").endswith("was final.")


async def test_nothing_but_an_answer_lifts_a_halt(b: Bridge) -> None:
    """Silence, a node that is behind, no new block, restarts: it stays halted and believes nothing new."""
    watcher = await b.started()
    await b.finalize(watcher)
    await b.node.dev.reorg(FORKED_AT)
    with pytest.raises(FinalizedBlockGone):
        await watcher.run_once()
    await watcher.release()
    later = await b.intent("5.00")
    await b.pay(later, "5.00")

    async with fault_proxy(b.node.url) as proxy:
        for fault in (None, {"kind": "drop"}, {"kind": "lag", "blocks": 8}, {"kind": "null"}):
            restarted = b.watcher(NOBODY if fault is None else proxy.url)
            if fault is not None:
                proxy.set(**fault)
            for _ in range(2):
                with pytest.raises((ChainHalted, NodeUnreachable)):
                    await restarted.run_once()
            await restarted.release()
            proxy.clear()
            assert "was final" in (await halted_reason(b) or "")
    assert (await b.shown(later))["status"] == "requires_action"
    assert await audited(b) == [("process:watcher", "chain.halt")]


@asynccontextmanager
async def halted_by_its_node(
    db_as: OpenAs, folder: Path
) -> AsyncIterator[tuple[Bridge, Watcher, FaultProxy]]:
    """A chain halted as its node showed another fork; when the proxy is cleared, it shows ours again."""
    async with bridge(db_as, data_dir=folder / "chain") as b, AsyncExitStack() as stack:
        await b.settle_down(await b.started())
        head = int(await b.node.rpc("eth_blockNumber"), 16)
        shutil.copytree(folder / "chain", folder / "fork")
        other = await stack.enter_async_context(local_node(data_dir=folder / "fork"))
        await other.dev.chain.mine(12, (await other.dev.mine()).time + 1_000)
        proxy = await stack.enter_async_context(fault_proxy(b.node.url))
        await b.watchers.pop().release()
        watcher = b.watcher(proxy.url)
        await b.finalize(watcher)
        proxy.set("other_fork", upstream=other.url, from_block=head + 1)
        await b.mine(2)
        with pytest.raises(FinalizedBlockGone):
            await watcher.run_once()
        yield b, watcher, proxy


async def test_a_halt_ends_when_our_final_block_is_shown_again(db_as: OpenAs, tmp_path: Path) -> None:
    async with halted_by_its_node(db_as, tmp_path) as (b, watcher, proxy):
        with pytest.raises(ChainHalted):
            await watcher.run_once()
        proxy.clear()
        intent = await b.intent("10.00")
        await b.pay(intent, "10.00")
        await b.finalize(watcher)

        assert (await b.shown(intent))["status"] == "succeeded"
        assert await audited(b) == [("process:watcher", "chain.halt"), ("process:watcher", "chain.resume")]
        told = [event for event in await b.events() if event.startswith("network")]
        assert told == ["network.degraded", "network.recovered"]
        await b.require_chain_and_rows_agree()


@pytest.mark.parametrize("failpoint", ["watcher.before_resume", "watcher.after_resume"])
async def test_a_watcher_killed_while_a_halt_ends_leaves_it_ended_once(
    db_as: OpenAs, tmp_path: Path, failpoint: str
) -> None:
    async with halted_by_its_node(db_as, tmp_path) as (b, watcher, proxy):
        proxy.clear()
        await watcher.release()
        dying = b.watcher(failpoints=Crashing(failpoint))
        with pytest.raises(Crash):
            await dying.run_once()
        await dying.release()

        await b.settle_down(b.watcher())
        assert [action for _, action in await audited(b)] == ["chain.halt", "chain.resume"]


async def test_an_operator_lifts_a_halt_that_no_hash_settles(b: Bridge) -> None:
    watcher = await b.started()
    await b.finalize(watcher)
    async with b.owner.transaction() as conn:
        assert await blocks.halt(conn, b.network.chain_id, "somebody pulled the cord", None)
    with pytest.raises(ChainHalted, match="cord"):
        await watcher.run_once()

    assert await resume(b)
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.finalize(watcher)
    assert (await b.shown(intent))["status"] == "succeeded"
    assert await audited(b) == [("cli", "chain.resume")]


async def test_resuming_makes_no_bad_block_good(b: Bridge) -> None:
    """Our final block is gone for good: the chain halts again, and what was booked stays booked."""
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.finalize(watcher)
    booked, stored = await b.booked(), await b.stored()
    await b.node.dev.reorg(FORKED_AT)
    with pytest.raises(FinalizedBlockGone):
        await watcher.run_once()

    assert await resume(b)
    with pytest.raises(FinalizedBlockGone):
        await watcher.run_once()

    assert (await b.booked(), await b.stored()) == (booked, stored)
    actions = [action for _, action in await audited(b)]
    assert actions == ["chain.halt", "chain.resume", "chain.halt"]


async def test_a_node_that_still_shows_another_block_below_the_final_one_lifts_no_halt(b: Bridge) -> None:
    """The final block is shown too, as by a balancer before two nodes; that both stand is impossible."""
    watcher = await b.started()
    await b.mine(3)
    await b.finalize(watcher)
    await watcher.release()
    [(final,)] = await b.rows("SELECT finalized_number FROM cursors")
    async with b.owner.transaction() as conn:
        assert await blocks.halt(conn, b.network.chain_id, "another block was shown", final - 1)

    def told(method: str, params: list[Any], result: Any) -> Any:
        asked = method == "eth_getBlockByNumber" and params[0] == hex(final - 1)
        return resealed(result) if asked else result

    async with lying_node(b.node.url) as node:
        node.twist = told
        doubting = b.watcher(node.url)
        with pytest.raises(ChainHalted):
            await doubting.run_once()

        node.twist = lambda method, params, result: result
        await b.settle_down(doubting)
    assert await halted_reason(b) is None
