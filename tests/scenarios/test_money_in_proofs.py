"""Stories of lies that no bloom shows: an amount bent, a second payment left out. None becomes final."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest

from bascule.chain.errors import Hearsay, IncompleteAnswer, LeftOut, WrongShape
from bascule.chain.pool import pool
from bascule.storage import networks
from tests.support.cases import long_after
from tests.support.money_in import Bridge, OpenAs, bridge, deposit_address
from tests.support.nodes import Refuse, lying_node


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as, finalized=6) as made:
        yield made
        await made.require_chain_and_rows_agree()


def without_the_last(method: str, params: list[Any], result: Any) -> Any:
    return result[:-1] if method == "eth_getLogs" else result


def with_a_bent_amount(method: str, params: list[Any], result: Any) -> Any:
    if method != "eth_getLogs" or not result:
        return result
    return [*result[:-1], {**result[-1], "data": "0x" + (10**12).to_bytes(32, "big").hex()}]


def with_an_invented_twin(method: str, params: list[Any], result: Any) -> Any:
    if method != "eth_getLogs" or not result:
        return result
    return [*result, {**result[-1], "logIndex": hex(len(result))}]


def under_another_name(method: str, params: list[Any], result: Any) -> Any:
    if method != "eth_getLogs":
        return result
    return [{**log, "transactionHash": "0x" + "77" * 32} for log in result]


@pytest.mark.parametrize(
    "lie", long_after(1, [without_the_last, with_a_bent_amount, with_an_invented_twin, under_another_name])
)
async def test_what_the_bloom_does_not_see_is_taken_back_and_read_again_from_the_receipts(
    b: Bridge, lie: Any
) -> None:
    async with lying_node(b.node.url) as node:
        watcher = b.watcher(node.url)
        await b.settle_down(watcher)
        intent = await b.intent("10.00")
        for amount in ("4.00", "6.00"):  # one payer, one token, one payee: the second sets no new bit
            await b.send(deposit_address(intent), amount)
        node.twist = lie
        await b.mine()
        await b.settle_down(watcher)

        assert watcher.counters["blocks_misread"] == 1
        [kept] = await b.disagreements()
        assert (kept.node, kept.refuted) == (kept.other, True)
        assert b"eth_getLogs" in kept.request
        assert (len(kept.answer), len(kept.other_answer or b"")) == (kept.answer_size, kept.other_size)
        assert b"cumulativeGasUsed" in (kept.other_answer or b"")
        assert b"cumulativeGasUsed" not in kept.answer
        assert [d["amount"] for d in await b.deposits("detected")] == ["4.000000", "6.000000"]
        assert (await b.shown(intent))["status"] == "processing"
        await b.finalize(watcher)
        await b.finalize(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


def with_receipts(change: Any) -> Any:
    def twist(method: str, params: list[Any], result: Any) -> Any:
        return change(result) if method == "eth_getBlockReceipts" and result else result

    return twist


@pytest.mark.parametrize(
    ("lie", "refusal"),
    long_after(2, [
        (with_receipts(lambda receipts: receipts[:-1]), LeftOut),
        (with_receipts(lambda receipts: receipts[1:]), LeftOut),
        (with_receipts(lambda receipts: []), LeftOut),
        (with_receipts(lambda receipts: [{**r, "logs": []} for r in receipts]), IncompleteAnswer),
        (with_receipts(lambda receipts: [{**r, "status": "0x0"} for r in receipts]), IncompleteAnswer),
        (with_receipts(lambda receipts: [{**r, "transactionHash": "0x" + 64 * "7"} for r in receipts]),
         Hearsay),
    ]),
)  # fmt: skip
async def test_receipts_that_do_not_add_up_let_nothing_become_final(
    b: Bridge, lie: Any, refusal: type[Exception]
) -> None:
    async with lying_node(b.node.url) as node:
        watcher = b.watcher(node.url)
        await b.settle_down(watcher)
        intent = await b.intent("10.00")
        for amount in ("4.00", "6.00"):
            await b.send(deposit_address(intent), amount)
        node.twist = lie
        await b.mine(9)
        for _ in range(3):
            with pytest.raises(refusal):
                await watcher.run_once()

        assert (await b.shown(intent))["status"] == "processing"
        assert await b.deposits("finalized") == []
        node.twist = lambda method, params, result: result
        await b.settle_down(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"


@pytest.mark.parametrize(
    ("nodes", "others", "verified"),
    [
        pytest.param(3, 3, "quorum", id="as several nodes tell alike"),
        pytest.param(3, 1, "receipts", id="as one of three tells"),
        pytest.param(1, 1, None, id="as the only node tells"),
    ],
)
async def test_a_listed_chain_whose_receipts_are_spelled_otherwise_is_taken_on_agreement(
    b: Bridge, nodes: int, others: int, verified: str | None
) -> None:
    """Its blooms come out, its receipts' root never does: no endless wait, and no one node's word."""
    otherwise = with_receipts(lambda receipts: [{**each, "status": "0x0"} for each in receipts])
    async with AsyncExitStack() as stack:
        asked = [await stack.enter_async_context(lying_node(b.node.url)) for _ in range(nodes)]
        chosen = [(b.rpc(each.url), 1) for each in asked]
        quorum = (nodes + 1) // 2
        watcher = b.watcher(pool(chosen, chain_id=b.network.chain_id, quorum=quorum, patience_s=60.0))
        await b.settle_down(watcher)
        for each in asked[:others]:
            each.twist = otherwise
        intent = await b.intent("10.00")
        await b.pay(intent, "10.00")
        await b.mine(8)
        for _ in range(4):
            with suppress(IncompleteAnswer):
                await watcher.run_once()
        early = (await b.shown(intent))["status"]
        for count in (30, 1):  # what was learned is written with the next block
            await b.mine(count)
            for _ in range(4):
                with suppress(IncompleteAnswer):
                    await watcher.run_once()
        found = await b.rows("SELECT DISTINCT verified FROM blocks JOIN deposits ON block_hash = hash")
        learned = await b.rows("SELECT unproven FROM networks")

    assert early == ("succeeded" if verified == "receipts" else "processing"), "the chain has to go on first"
    assert (await b.shown(intent))["status"] == ("processing" if verified is None else "succeeded")
    assert found == [(verified or "bloom",)]
    assert learned == [("receipts" if verified == "quorum" else None,)]


async def test_a_listed_chain_is_seen_to_spell_otherwise_wherever_in_a_round_of_proof_that_begins(
    b: Bridge,
) -> None:
    """The blocks before it add up, or hold nothing: only one in the middle of the round does not."""
    async with AsyncExitStack() as stack:
        asked = [await stack.enter_async_context(lying_node(b.node.url)) for _ in range(3)]
        chosen = [(b.rpc(each.url), 1) for each in asked]
        watcher = b.watcher(pool(chosen, chain_id=b.network.chain_id, quorum=2, patience_s=60.0))
        await b.settle_down(watcher)
        for each in asked:
            each.twist = with_receipts(lambda receipts: [{**r, "status": "0x0"} for r in receipts])
        intent = await b.intent("10.00")
        await b.mine(2)
        await b.pay(intent, "10.00")
        for count in (38, 1):
            await b.mine(count)
            for _ in range(4):
                with suppress(IncompleteAnswer):
                    await watcher.run_once()

    assert (await b.shown(intent))["status"] == "succeeded"


async def test_what_several_nodes_showed_of_a_listed_chain_makes_no_later_single_node_believed(
    b: Bridge,
) -> None:
    """Learned with a quorum of two; since then one node is configured, and it bends an amount."""
    async with b.owner.transaction() as conn:
        await networks.learn(conn, b.network.chain_id, "receipts")
    async with lying_node(b.node.url) as node:
        watcher = b.watcher(node.url)
        await b.settle_down(watcher)
        intent = await b.intent("10.00")
        await b.pay(intent, "10.00")
        node.twist = with_a_bent_amount
        for _ in range(2):
            await b.finalize(watcher)

    assert await b.booked() == {"custody:forwarders": 10_000_000, "available:merchant": -10_000_000}


async def test_a_header_with_a_bent_member_is_refused(b: Bridge) -> None:
    async with lying_node(b.node.url) as node:
        watcher = b.watcher(node.url)
        await b.settle_down(watcher)
        node.twist = lambda method, params, result: (
            {**result, "receiptsRoot": "0x" + "77" * 32} if "eth_getBlockBy" in method else result
        )
        await b.mine()
        with pytest.raises(WrongShape, match="does not hash to"):
            await watcher.run_once()

        node.twist = lambda method, params, result: result
        await b.settle_down(watcher)


def lacking_block_receipts(method: str, params: list[Any], result: Any) -> Any:
    if method == "eth_getBlockReceipts":
        raise Refuse("the method eth_getBlockReceipts does not exist/is not available", -32601)
    return result


async def test_a_node_without_block_receipts_is_asked_for_them_one_by_one(b: Bridge) -> None:
    async with lying_node(b.node.url) as node:
        node.twist = lacking_block_receipts
        watcher = b.watcher(node.url)
        await b.settle_down(watcher)
        intent = await b.intent("10.00")
        await b.pay(intent, "10.00")
        await b.finalize(watcher)
        await b.finalize(watcher)

    assert (await b.shown(intent))["status"] == "succeeded"
    assert "eth_getTransactionReceipt" in node.asked
    assert await b.rows("SELECT verified FROM blocks JOIN transfers ON hash = block_hash") == [("receipts",)]


async def test_a_block_without_any_transfer_is_proven_by_its_bloom_alone(b: Bridge) -> None:
    async with lying_node(b.node.url) as node:
        watcher = b.watcher(node.url)
        await b.settle_down(watcher)
        node.asked.clear()
        await b.mine(8)
        await b.settle_down(watcher)

    assert not {"eth_getLogs", "eth_getBlockReceipts"} & set(node.asked)
    [(final,)] = await b.rows("SELECT finalized_number FROM cursors")
    assert final == int(await b.node.rpc("eth_blockNumber"), 16) - 6
