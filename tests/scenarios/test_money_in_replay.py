"""Stories of blocks read once more: what is missing is added once, what is wrong is told."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import pytest

from bascule.chain.caller import Caller
from bascule.chain.families import ETHEREUM
from bascule.chain.pool import Pool, pool
from bascule.domain.early import EarlyPolicy, Tier, read_level
from bascule.services.arrivals import Arrivals
from bascule.services.breaks import Breaks
from bascule.services.outflows import Outflows
from bascule.services.replaying import Replay
from bascule.services.seams import SystemEntropy
from bascule.services.suspending import Suspending
from bascule.services.token_resuming import resume
from bascule.storage import early_policies
from tests.support.issuing import accept_quirk
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address
from tests.support.nodes import lying_node


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def replayed(b: Bridge, first: int = 0, node: Caller | None = None) -> Counter[str]:
    """What a replay from `first` to what is read finds."""
    [(last,)] = await b.rows("SELECT next_number - 1 FROM cursors")
    rpc, chain_id = node or b.rpc(), b.network.chain_id
    arrivals = Arrivals(chain_id, b.clock, SystemEntropy(), b.outbox, Counter())
    suspending = Suspending(b.clock, b.outbox)
    outflows = Outflows(b.db, rpc, chain_id, Breaks(b.outbox), suspending, Counter())
    replay = Replay(b.db, rpc, chain_id, arrivals, outflows)
    found: Counter[str] = Counter()
    async for _, findings in replay.between(first, last):
        found.update(each.kind for each in findings)
    return found


async def lost(b: Bridge) -> None:
    """Somebody loses the rows of all transfers, and of what was made of them."""
    async with b.owner.transaction() as conn:
        for table in ("applications", "deposit_proofs", "deposits", "transfers"):
            await conn.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER".encode())
            await conn.execute(f"DELETE FROM {table}".encode())
            await conn.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER".encode())


@pytest.mark.parametrize("final", [False, True], ids=["above what is final", "below what is final"])
async def test_a_transfer_that_is_missing_is_added_and_booked_once(b: Bridge, final: bool) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.settle_down(watcher)
    await lost(b)
    if final:
        await b.finalize(watcher)
    assert await b.booked() == {}

    assert await replayed(b) == {"missing": 1}
    assert await replayed(b) == {}
    await b.finalize(watcher)

    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}
    assert (await b.shown(intent))["status"] == "succeeded"
    await b.require_chain_and_rows_agree()


async def test_a_log_without_a_move_that_is_found_below_what_is_final_is_not_credited(b: Bridge) -> None:
    """Nobody compared the balance when its block became final; it is compared before it is booked."""
    await accept_quirk(b, "LogsWithoutMoving")
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.settle_down(watcher)
    await lost(b)
    await b.finalize(watcher)
    assert (await b.events()).count("token.suspended") == 0

    assert await replayed(b) == {"missing": 1}
    await b.finalize(watcher)
    await b.finalize(watcher)
    assert (await b.events()).count("token.suspended") == 1
    assert await b.booked() == {}

    async with b.owner.transaction() as conn:
        await resume(conn, b.token.id, reason="the issuer explains it", clock=b.clock, outbox=b.outbox)
    await b.finalize(watcher)
    assert (await b.events()).count("token.suspended") == 1, "a person has looked at it"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


async def test_what_is_found_below_what_is_final_makes_no_intent_succeed_early(b: Bridge) -> None:
    await accept_quirk(b, "LogsWithoutMoving")
    small = EarlyPolicy(100 * 10**18, [Tier(20 * 10**18, read_level("depth:1", ""))])
    async with b.owner.transaction() as conn:
        await early_policies.set(conn, b.merchant, small)
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.settle_down(watcher)
    await lost(b)
    await b.finalize(watcher)

    assert await replayed(b) == {"missing": 1}
    await b.settle_down(watcher)  # no block became final, so no balance was compared

    assert (await b.shown(intent))["status"] == "processing"
    await b.finalize(watcher)
    assert (await b.events()).count("token.suspended") == 1
    assert (await b.shown(intent))["status"] == "processing"


async def test_a_replay_across_a_reorganisation_leaves_one_of_two_rows(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.settle_down(watcher)
    await b.node.dev.reorg(1)

    assert (await replayed(b))["forked"] >= 1
    assert len(await b.stored()) == 1
    await b.settle_down(watcher)
    assert await replayed(b) == {}

    assert len(await b.deposits()) == 1
    await b.require_chain_and_rows_agree()


@pytest.mark.wrong("G5")
async def test_a_stored_transfer_that_the_chain_tells_otherwise_is_told_and_kept(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.00")
    await b.pay(intent, "10.00")
    await b.finalize(watcher)
    async with b.owner.transaction() as conn:
        await conn.execute("ALTER TABLE transfers DISABLE TRIGGER USER")
        await conn.execute("UPDATE transfers SET amount = amount + 1")
        await conn.execute("ALTER TABLE transfers ENABLE TRIGGER USER")
    booked, stored = await b.booked(), await b.stored()

    assert await replayed(b) == {"wrong": 1}

    assert (await b.booked(), await b.stored()) == (booked, stored)


async def test_one_node_alone_adds_no_money_where_headers_prove_nothing(b: Bridge) -> None:
    """It tells a stranger's transfer as one to us, in a block that a quorum proved and that is final."""
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(lying_node(b.node.url)) for _ in range(3)]

        def process() -> Pool:
            clients = [b.rpc(node.url) for node in nodes]
            for client in clients:
                client.family = replace(ETHEREUM, elsewhere="baseFeePerGas")
            return pool(
                [(client, 1) for client in clients], chain_id=b.network.chain_id, quorum=2, patience_s=60.0
            )

        watcher, operator = b.watcher(process()), process()
        await b.settle_down(watcher)
        intent = await b.intent("10.00")
        await b.send(b.account(8).address, "10.00")
        await b.finalize(watcher)
        ours = "0x" + deposit_address(intent)[2:].lower().rjust(64, "0")

        def told(method: str, params: list[Any], result: Any) -> Any:
            if method != "eth_getLogs":
                return result
            return [{**log, "topics": [*log["topics"][:2], ours]} for log in result]

        nodes[0].twist = told
        assert await replayed(b, node=operator) == {}
        await b.finalize(watcher)

        assert operator.nodes[0].state == "lying"
    assert (await b.deposits(), await b.booked()) == ([], {})
    await b.require_chain_and_rows_agree()


async def test_money_that_came_and_moved_on_is_added_though_both_are_missing_below_what_is_final(
    b: Bridge,
) -> None:
    watcher = await b.started()
    await b.send(b.account(4).address, "7.00", payer=3)
    await b.mine()
    await b.send(b.account(5).address, "3.00", payer=4)
    await b.mine()
    await b.settle_down(watcher)
    await lost(b)
    await b.finalize(watcher)

    assert await replayed(b) == {"missing": 2}
    assert await replayed(b) == {}
    await b.finalize(watcher)

    assert await b.booked() == {
        "custody:vault": 4_000_000,
        "custody:collector": 3_000_000,
        "available:operator": -7_000_000,
    }
    await b.require_chain_and_rows_agree()
