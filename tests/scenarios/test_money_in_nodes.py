"""Stories of several nodes: one that misbehaves is not believed, nothing is lost, and it stays known."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bascule.chain.families import ETHEREUM
from bascule.chain.pool import Pool, pool
from bascule.domain.errors import Retryable
from bascule.domain.finality import FinalBlockDisputed, FinalizedBlockGone
from bascule.services.pardons import Pardons
from bascule.services.watcher import Watcher
from bascule.storage import addresses, pardons
from bascule.storage.blocks import ChainHalted
from tests.support.cases import long_after
from tests.support.chain import local_node
from tests.support.crashing import Crash, Crashing
from tests.support.fault_proxy import FaultProxy, fault_proxy
from tests.support.issuing import suspended
from tests.support.money_in import Bridge, OpenAs, address_of, bridge, deposit_address
from tests.support.nodes import Twist, lying_node

Fault = dict[str, Any]
LOGS = ["eth_getLogs"]
RECEIPTS = ["eth_getBlockReceipts"]
BLOCKS = ["eth_getBlockByNumber", "eth_getBlockByHash"]
SEVEN = "0x" + (7_000_000).to_bytes(32, "big").hex()

MISBEHAVIOUR: dict[str, Fault] = {
    "lags": {"kind": "lag", "blocks": 3},
    "stands still": {"kind": "stale_head"},
    "serves another chain": {"kind": "wrong_chain"},
    "drops": {"kind": "drop"},
    "hangs": {"kind": "hang", "seconds": 0.05},
    "limits the rate": {"kind": "http_error", "client": "alchemy", "says": "rate_limited"},
    "shows a page": {"kind": "page"},
    "empties logs": {"kind": "empty", "methods": LOGS},
    "leaves a log out": {"kind": "omit", "methods": LOGS},
    "bends an amount": {"kind": "bend", "field": "data", "value": SEVEN, "methods": LOGS},
    "refuses logs": {"kind": "error", "client": "infura", "says": "too_many_results", "methods": LOGS},
    "bends receipts": {"kind": "bend", "field": "status", "value": "0x0", "methods": RECEIPTS},
    "bends headers": {"kind": "bend", "field": "receiptsRoot", "methods": ["eth_getBlockByNumber"]},
    "names other hashes": {"kind": "wrong_hash"},
    "knows no block": {"kind": "null"},
    "mixes up ids": {"kind": "wrong_id"},
    "cuts answers": {"kind": "cut"},
}  # fmt: skip
# These contradict a hash, so there is something to keep.
PROVABLE = {
    "empties logs", "leaves a log out", "bends an amount", "bends receipts", "bends headers",
    "names other hashes",
}  # fmt: skip


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


class Three:
    """Three proxies before the true node, and a watcher behind a pool of them."""

    def __init__(self, b: Bridge, proxies: list[FaultProxy], quorum: int) -> None:
        self.proxies = proxies
        self.pool: Pool = pool(
            [(b.rpc(proxy.url), 1) for proxy in proxies],
            chain_id=b.network.chain_id,
            quorum=quorum,
            patience_s=60.0,  # what each of them does is asserted, however slow this machine is
        )
        self.watcher: Watcher = b.watcher(self.pool)

    def states(self) -> list[str]:
        return [node.state.value for node in self.pool.nodes]


async def three(stack: AsyncExitStack, b: Bridge, quorum: int = 2) -> Three:
    proxies = [await stack.enter_async_context(fault_proxy(b.node.url)) for _ in range(3)]
    return Three(b, proxies, quorum)


async def paid(b: Bridge) -> dict[str, Any]:
    """An intent that one payer pays in two parts of one block."""
    intent = await b.intent("10.00")
    for amount in ("4.00", "6.00"):
        await b.send(deposit_address(intent), amount)
    await b.mine()
    return intent


async def require_succeeded(b: Bridge, intent: dict[str, Any]) -> None:
    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}
    await b.require_chain_and_rows_agree()


@pytest.mark.parametrize("name", long_after(2, sorted(MISBEHAVIOUR, key=lambda name: name not in PROVABLE)))
async def test_one_of_three_nodes_may_misbehave_and_everything_goes_on(b: Bridge, name: str) -> None:
    """Without one refusal that the watcher sees, from the first node that is asked on."""
    async with AsyncExitStack() as stack:
        t = await three(stack, b)
        await b.settle_down(t.watcher)
        at = 1 if name == "bends receipts" else 0  # a proof is asked of another node than the one read
        with t.proxies[at].lying(MISBEHAVIOUR[name]):
            intent = await paid(b)
            for _ in range(3):
                await t.pool.probe()
                await b.finalize(t.watcher)
        await require_succeeded(b, intent)
        kept = [each for each in await b.disagreements() if each.refuted]
        assert {each.node for each in kept} == ({t.pool.nodes[at].name} if name in PROVABLE else set())
        assert all(each.answer != each.other_answer for each in kept)


def renames(method: str, params: list[Any], result: Any) -> Any:
    """Every transaction under another name, where no hash covers it: in headers and with receipts."""
    if method in BLOCKS and result:
        return {**result, "transactions": ["0x" + name[:1:-1] for name in result["transactions"]]}
    if method in RECEIPTS:
        return [{**each, "transactionHash": "0x" + each["transactionHash"][:1:-1]} for each in result]
    return result


def lists_nothing(method: str, params: list[Any], result: Any) -> Any:
    """Headers without their transactions."""
    if method in BLOCKS and result:
        return {name: value for name, value in result.items() if name != "transactions"}
    return result


@pytest.mark.parametrize(
    ("twist", "becomes"), [(renames, "lying"), (lists_nothing, "alive")], ids=["renames", "lists nothing"]
)
async def test_one_nodes_word_on_the_names_of_transactions_makes_no_liar_and_no_deposit(
    b: Bridge, twist: Twist, becomes: str
) -> None:
    """No hash covers the names: they are those that a quorum tells, whoever is asked first."""
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(lying_node(b.node.url)) for _ in range(3)]
        asked = pool(
            [(b.rpc(node.url), 1) for node in nodes], chain_id=b.network.chain_id, quorum=2, patience_s=60.0
        )
        watcher = b.watcher(asked)
        await b.settle_down(watcher)
        nodes[0].twist = twist
        intent = await paid(b)
        for _ in range(3):
            with suppress(Retryable):
                await b.finalize(watcher)
        await require_succeeded(b, intent)
    assert [node.state for node in asked.nodes] == [becomes, "alive", "alive"]


@pytest.mark.slow
async def test_a_node_that_leaves_out_logs_of_a_tenth_of_the_blocks_costs_no_payment(b: Bridge) -> None:
    """Drawn anew for each block, from the only node there is: each payment is there once, whole."""
    watcher, drawn = await b.started(), Random(10)
    lied = refused = 0
    intent = await b.intent("40.00")
    for _ in range(40):
        await b.send(deposit_address(intent), "1.00")
        await b.mine()
        if drawn.random() < 0.1:
            lied += 1
            await b.node.rpc("bascule_setFault", {"kind": "omit", "methods": LOGS, "times": 1})
        try:
            await b.settle_down(watcher)
        except Retryable:
            refused += 1
    await b.finalize(watcher)

    assert lied == refused > 2, "each omission was seen by the block's own header"
    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 40_000_000, "available:merchant": -40_000_000}
    await b.require_chain_and_rows_agree()


async def test_what_no_hash_proves_is_proven_by_a_quorum_that_tells_the_same(b: Bridge) -> None:
    """A chain whose roots speak of other blocks, and a node that bends an amount there."""
    async with AsyncExitStack() as stack:
        t = await three(stack, b)
        for node in t.pool.nodes:
            node.rpc.family = replace(ETHEREUM, elsewhere="baseFeePerGas")
        await b.settle_down(t.watcher)
        with t.proxies[0].lying({"kind": "bend", "field": "data", "value": SEVEN, "methods": LOGS}):
            intent = await paid(b)
            await b.settle_down(t.watcher)
            assert t.watcher.counters["blocks_misread"] == 1
            assert t.states() == ["lying", "alive", "alive"]
            await b.finalize(t.watcher)
            await b.finalize(t.watcher)
        await require_succeeded(b, intent)
    proven = "SELECT DISTINCT verified FROM blocks JOIN transfers ON hash = block_hash WHERE blocks.canonical"
    assert await b.rows(proven) == [("quorum",)]


async def test_two_of_three_that_disagree_about_a_final_hash_halt_the_chain(
    db_as: OpenAs, tmp_path: Path
) -> None:
    """Nothing becomes final until a quorum says the same, which ends the halt; both answers are kept."""
    async with bridge(db_as, data_dir=tmp_path / "chain") as b, AsyncExitStack() as stack:
        await b.settle_down(await b.started())
        head = int(await b.node.rpc("eth_blockNumber"), 16)
        shutil.copytree(tmp_path / "chain", tmp_path / "fork")
        other = await stack.enter_async_context(local_node(data_dir=tmp_path / "fork"))
        await other.dev.chain.mine(12, (await other.dev.mine()).time + 1_000)
        await b.watchers.pop().release()
        t = await three(stack, b)
        t.proxies[2].set("drop")
        with t.proxies[1].lying({"kind": "other_fork", "upstream": other.url, "from_block": head + 1}):
            intent = await paid(b)
            await b.mine(8)
            with pytest.raises(FinalBlockDisputed):
                await b.settle_down(t.watcher)
            with pytest.raises(ChainHalted, match="Nodes disagree"):
                await t.watcher.run_once()
            assert (await b.shown(intent))["status"] == "processing"
            assert await b.deposits("finalized") == []
            assert (await b.events())[-1] == "network.degraded"
        t.proxies[2].clear()
        await b.settle_down(t.watcher)
        await require_succeeded(b, intent)
        assert any("nodes disagree" in each.why for each in await b.disagreements())


async def test_a_forked_node_that_is_asked_first_halts_nothing(db_as: OpenAs, tmp_path: Path) -> None:
    async with bridge(db_as, data_dir=tmp_path / "chain") as b, AsyncExitStack() as stack:
        await b.settle_down(await b.started())
        head = int(await b.node.rpc("eth_blockNumber"), 16)
        shutil.copytree(tmp_path / "chain", tmp_path / "fork")
        other = await stack.enter_async_context(local_node(data_dir=tmp_path / "fork"))
        await other.dev.chain.mine(30, (await other.dev.mine()).time + 1_000)
        await b.watchers.pop().release()
        t = await three(stack, b)
        fork = {"kind": "other_fork", "upstream": other.url, "from_block": head - 2}
        with t.proxies[0].lying(fork):
            intent = await paid(b)
            await b.mine(8)
            for _ in range(20):
                with suppress(Retryable):
                    await t.watcher.run_once()
            await b.settle_down(t.watcher)
        await require_succeeded(b, intent)


async def test_a_quorum_against_what_we_hold_final_halts_the_chain(db_as: OpenAs, tmp_path: Path) -> None:
    async with bridge(db_as, data_dir=tmp_path / "chain") as b, AsyncExitStack() as stack:
        await b.settle_down(await b.started())
        head = int(await b.node.rpc("eth_blockNumber"), 16)
        shutil.copytree(tmp_path / "chain", tmp_path / "fork")
        other = await stack.enter_async_context(local_node(data_dir=tmp_path / "fork"))
        await other.dev.chain.mine(30, (await other.dev.mine()).time + 1_000)
        await b.watchers.pop().release()
        t = await three(stack, b)
        intent = await paid(b)
        await b.finalize(t.watcher)
        await require_succeeded(b, intent)
        for proxy in t.proxies[:2]:
            proxy.set("other_fork", upstream=other.url, from_block=head + 1)
        await b.mine(2)
        with pytest.raises(FinalizedBlockGone):
            await t.watcher.run_once()
        with pytest.raises(ChainHalted):
            await t.watcher.run_once()


async def test_after_all_nodes_were_away_everything_is_caught_up_exactly(b: Bridge) -> None:
    async with AsyncExitStack() as stack:
        t = await three(stack, b)
        await b.settle_down(t.watcher)
        for proxy in t.proxies:
            proxy.set("drop")
        intent = await paid(b)
        await b.mine(40)
        for _ in range(3):
            with pytest.raises(Retryable):
                await t.watcher.run_once()
        for proxy in t.proxies:
            proxy.clear()
        await b.settle_down(t.watcher)
        await require_succeeded(b, intent)
        assert t.states() == ["alive"] * 3


async def test_a_liar_that_an_operator_frees_is_asked_again_in_every_process(b: Bridge) -> None:
    async with AsyncExitStack() as stack:
        t, other = await three(stack, b), await three(stack, b)
        processes = [Pardons(b.db, {b.network.chain_id: each.pool}) for each in (t, other)]
        for process in processes:
            assert await process.run_once() == 0
        await b.settle_down(t.watcher)
        with t.proxies[0].lying(MISBEHAVIOUR["bends headers"]):
            await paid(b)
            await b.finalize(t.watcher)
        assert t.states() == ["lying", "alive", "alive"]

        async with b.owner.transaction() as conn:
            await pardons.record(conn, b.network.chain_id, t.pool.nodes[0].name)
        assert [await process.run_once() for process in processes] == [1, 0]
        assert [await process.run_once() for process in processes] == [0, 0]

        assert t.states() == ["alive"] * 3
        asked = len(t.proxies[0].asked)
        await b.finalize(t.watcher)
        assert len(t.proxies[0].asked) > asked


@pytest.mark.parametrize("side", long_after(1, ["after", "before"]))
async def test_evidence_survives_a_death_while_it_is_stored_as_long_as_the_pool_lives(
    b: Bridge, side: str
) -> None:
    async with AsyncExitStack() as stack:
        t = await three(stack, b)
        await b.settle_down(t.watcher)
        t.proxies[0].set("bend", field="receiptsRoot", methods=["eth_getBlockByNumber"])
        await b.mine()
        await t.watcher.run_once()
        assert t.states()[0] == "lying"
        await t.watcher.release()
        dying = b.watcher(t.pool, failpoints=Crashing(f"watcher.{side}_disagreements"))
        with pytest.raises(Crash):
            await dying.run_once()
        assert len(await b.disagreements()) == (0 if side == "before" else 1)
        await dying.run_once()
        kept = await b.disagreements()
        assert {(each.node, each.other) for each in kept} == {(t.pool.nodes[0].name, t.pool.nodes[1].name)}
        assert t.pool.evidence.pending == []


@pytest.mark.parametrize("balance", [0, 7])
async def test_node_that_goes_on_lying_about_a_balance_is_outvoted_and_named(b: Bridge, balance: int) -> None:
    """What it says of the address, be it too little or too much, stops nothing."""
    intent = await b.intent("10.00")

    def twisted(method: str, params: list[Any], result: Any) -> Any:
        asked = params[0]["data"] if method == "eth_call" else ""
        ours = asked.startswith("0x70a08231") and asked.endswith(deposit_address(intent)[2:].lower())
        return "0x" + balance.to_bytes(32, "big").hex() if ours else result

    async with lying_node(b.node.url) as liar, lying_node(b.node.url) as one, lying_node(b.node.url) as two:
        rpcs = [(b.rpc(node.url), 1) for node in (liar, one, two)]
        nodes = pool(rpcs, chain_id=b.network.chain_id, quorum=2, patience_s=60.0)
        watcher = b.watcher(nodes)
        await watcher.run_once()
        liar.twist = twisted
        await b.pay(intent, "10.00")
        await b.finalize(watcher)

    await require_succeeded(b, intent)
    assert await suspended(b) is None
    assert [node.state.value for node in nodes.nodes] == ["lying", "alive", "alive"]
    [told] = await b.rows("SELECT node FROM node_disagreements")
    assert told == (nodes.nodes[0].name,)


async def test_opening_is_what_a_quorum_says_an_address_held(b: Bridge) -> None:
    def twisted(method: str, params: list[Any], result: Any) -> Any:
        asked = method == "eth_call" and params[0]["data"].startswith("0x70a08231")
        return "0x" + (2**90).to_bytes(32, "big").hex() if asked else result

    async with b.owner.transaction() as conn:
        await addresses.add_own(conn, b.network.chain_id, address_of(b.account(7)), "vault")
    await b.send(b.account(7).address, "30.00")
    await b.mine(5)
    async with lying_node(b.node.url) as liar, lying_node(b.node.url) as one, lying_node(b.node.url) as two:
        rpcs = [(b.rpc(node.url), 1) for node in (liar, one, two)]
        nodes = pool(rpcs, chain_id=b.network.chain_id, quorum=2, patience_s=60.0)
        liar.twist = twisted
        await b.settle_down(b.watcher(nodes))

    assert await b.booked() == {"custody:vault": 30_000_000, "available:operator": -30_000_000}
    assert nodes.nodes[0].state.value == "lying"
