"""Transactions wait per sender in nonce order and are mined together; refusals are in geth's words."""

import asyncio
import time
from pathlib import Path

import pytest

from bascule.entrypoints.devchain import chain
from bascule.entrypoints.devchain.mining import Miner
from bascule.entrypoints.devchain.pool import Limits
from bascule.entrypoints.devchain.reads import Reads
from bascule.entrypoints.devchain.state import StateReads
from tests.support.chain import LocalNode, RpcFailure, local_node
from tests.support.crashing import Crash, Crashing


async def refusal(node: LocalNode, raw: str) -> str:
    with pytest.raises(RpcFailure) as caught:
        await node.rpc("eth_sendRawTransaction", raw)
    assert caught.value.code == -32000
    return caught.value.message


async def test_two_hundred_transfers_are_mined_in_one_block(node: LocalNode) -> None:
    senders = node.accounts
    raws = [
        node.sign(senders[i % 10], i // 10, to=senders[(i + 1) % 10].address, value=1) for i in range(200)
    ]
    for raw in raws:
        await node.rpc("eth_sendRawTransaction", raw)

    block = await node.dev.mine()

    assert len(block.transactions) == 200


async def test_transaction_behind_a_nonce_gap_waits_until_the_gap_is_filled(node: LocalNode) -> None:
    sender, payee = node.accounts[0], node.accounts[1]
    later = await node.rpc("eth_sendRawTransaction", node.sign(sender, 1, to=payee.address))
    await node.dev.mine()
    assert await node.rpc("eth_getTransactionReceipt", later) is None
    assert await node.rpc("eth_getTransactionCount", sender.address, "pending") == "0x0"

    first = await node.rpc("eth_sendRawTransaction", node.sign(sender, 0, to=payee.address))
    assert await node.rpc("eth_getTransactionCount", sender.address, "pending") == "0x2"
    await node.dev.mine()

    places = [(await node.rpc("eth_getTransactionReceipt", tx))["transactionIndex"] for tx in (first, later)]
    assert places == ["0x0", "0x1"]


async def test_spent_nonce_is_refused_in_geths_words(node: LocalNode) -> None:
    sender = node.accounts[0]
    raw = node.sign(sender, 0, to=node.accounts[1].address)
    await node.rpc("eth_sendRawTransaction", raw)
    assert await refusal(node, raw) == "already known"
    await node.dev.mine()

    assert await refusal(node, raw) == "nonce too low: next nonce 1, tx nonce 0"


async def test_transaction_for_another_chain_is_refused(node: LocalNode) -> None:
    raw = node.sign(node.accounts[0], 0, to=node.accounts[1].address, chainId=1)

    assert await refusal(node, raw) == "invalid sender: invalid chain id for signer: have 1 want 31337"


async def test_sender_who_cannot_pay_is_refused(node: LocalNode) -> None:
    raw = node.sign(node.accounts[0], 0, to=node.accounts[1].address, value=2 * 10**24)

    assert (await refusal(node, raw)).startswith("insufficient funds for gas * price + value: balance")


async def test_gas_below_the_intrinsic_cost_is_refused(node: LocalNode) -> None:
    raw = node.sign(node.accounts[0], 0, to=node.accounts[1].address, gas=20_999)

    assert await refusal(node, raw) == "intrinsic gas too low: gas 20999, minimum needed 21000"


@pytest.mark.parametrize(
    "raw", ["0x", "0x02", "0x00", "0xf8", "0x02c0", "0x03c0", "0x" + "ff" * 200, "0x05aa"]
)
async def test_bytes_that_are_no_transaction_are_refused(node: LocalNode, raw: str) -> None:
    await refusal(node, raw)


async def test_replacement_must_raise_both_fees_by_a_tenth(node: LocalNode) -> None:
    sender, payee = node.accounts[0], node.accounts[1]
    old = await node.rpc("eth_sendRawTransaction", node.sign(sender, 0, to=payee.address))
    half = node.sign(sender, 0, to=payee.address, maxFeePerGas=22 * 10**9)
    assert await refusal(node, half) == "replacement transaction underpriced"

    both = node.sign(sender, 0, to=payee.address, maxFeePerGas=22 * 10**9, maxPriorityFeePerGas=1_100_000_000)
    new = await node.rpc("eth_sendRawTransaction", both)
    await node.dev.mine()

    assert await node.rpc("eth_getTransactionByHash", old) is None
    assert (await node.rpc("eth_getTransactionReceipt", new))["status"] == "0x1"


async def test_tip_below_the_pools_minimum_is_refused(node: LocalNode) -> None:
    raw = node.sign(node.accounts[0], 0, to=node.accounts[1].address, maxPriorityFeePerGas=0)

    assert await refusal(node, raw) == (
        "transaction gas price below minimum: gas tip cap 0, minimum needed 1"
    )


async def test_pool_with_little_room_refuses_what_pays_less_than_all_that_waits() -> None:
    async with local_node(limits=Limits(global_slots=2, global_queue=0)) as node:
        payee = node.accounts[9].address
        for sender, tip in ((0, 3), (1, 2)):
            await node.send(node.accounts[sender], to=payee, maxPriorityFeePerGas=tip)
        cheap = node.sign(node.accounts[2], 0, to=payee, maxPriorityFeePerGas=1)
        assert await refusal(node, cheap) == "transaction underpriced"

        await node.send(node.accounts[2], to=payee, maxPriorityFeePerGas=4)

        block = await node.dev.mine()
        assert [tx.tip for tx in block.transactions] == [4, 3]


async def test_transaction_of_more_bytes_than_a_pool_takes_is_refused(node: LocalNode) -> None:
    raw = node.sign(node.accounts[0], 0, to=node.accounts[1].address, data="0x" + "00" * 131_072, gas=10**7)

    assert (await refusal(node, raw)).startswith("oversized data: transaction size 1311")


async def test_block_takes_the_best_tip_first_and_each_senders_by_nonce(node: LocalNode) -> None:
    tips = [(0, 2), (1, 3), (0, 9), (2, 3), (1, 1)]
    for sender, tip in tips:
        await node.send(node.accounts[sender], to=node.accounts[9].address, maxPriorityFeePerGas=tip * 10**9)

    block = await node.dev.mine()

    order = [
        (
            node.accounts.index(next(a for a in node.accounts if a.address[2:].lower() == tx.sender.hex())),
            tx.tip,
        )
        for tx in block.transactions
    ]
    assert order == [(1, 3 * 10**9), (2, 3 * 10**9), (0, 2 * 10**9), (0, 9 * 10**9), (1, 10**9)]


async def test_mempool_is_shown_by_state_sender_and_nonce(node: LocalNode) -> None:
    first, second = node.accounts[0], node.accounts[1]
    sent = [
        await node.rpc("eth_sendRawTransaction", node.sign(who, nonce, to=second.address, value=5))
        for who, nonce in ((first, 0), (first, 2), (second, 1))
    ]

    content = await node.rpc("txpool_content")

    assert await node.rpc("txpool_status") == {"pending": "0x1", "queued": "0x2"}
    assert content["pending"] == {first.address: {"0": await node.rpc("eth_getTransactionByHash", sent[0])}}
    assert {address: set(by_nonce) for address, by_nonce in content["queued"].items()} == {
        first.address: {"2"},
        second.address: {"1"},
    }
    assert await node.rpc("txpool_contentFrom", second.address) == {
        "pending": {},
        "queued": content["queued"][second.address],
    }
    assert (await node.rpc("txpool_inspect"))["pending"][first.address] == {
        "0": f"{second.address}: 5 wei + 21000 gas × 20000000000 wei"  # noqa: RUF001
    }
    assert await node.rpc("txpool_contentFrom", "0x" + "77" * 20) == {"pending": {}, "queued": {}}


async def test_waiting_transactions_survive_a_restart_except_what_is_spoilt(tmp_path: Path) -> None:
    async with local_node(data_dir=tmp_path) as node:
        sender, payee = node.accounts[0], node.accounts[1].address
        await node.transact(sender, to=payee)
        kept = [await node.rpc("eth_sendRawTransaction", node.sign(sender, n, to=payee)) for n in (1, 2, 5)]
        before = await node.rpc("txpool_content")
    journal = tmp_path / "chain.waiting"
    lines = journal.read_text().splitlines()
    assert len(lines) == 4, "the mined one is still there, and does no harm"
    journal.write_text("\n".join([*lines, "nonsense", lines[-1][:-9], "zz"]))

    async with local_node(data_dir=tmp_path) as node:
        assert await node.rpc("txpool_content") == before
        assert len(journal.read_text().splitlines()) == 3
        await node.dev.mine()
        receipts = [await node.rpc("eth_getTransactionReceipt", tx_hash) for tx_hash in kept]
    assert [receipt is not None for receipt in receipts] == [True, True, False]


async def test_transaction_too_cheap_for_the_fork_survives_a_death_right_behind_it(tmp_path: Path) -> None:
    """It is in no block any more, and the journal had forgotten it as mined."""
    async with local_node(data_dir=tmp_path) as node:
        mined = await node.transact(node.accounts[0], to=node.accounts[1].address)
    async with local_node(data_dir=tmp_path, failpoints=Crashing("chain.after_append")) as node:
        await node.rpc("bascule_setBaseFee", {"baseFee": 40 * 10**9, "blocks": 2})
        with pytest.raises(Crash):
            await node.dev.reorg(1)

    async with local_node(data_dir=tmp_path) as node:
        found = await node.rpc("eth_getTransactionByHash", mined["transactionHash"])
    assert found["blockNumber"] is None


async def test_journal_forgets_what_was_mined_long_ago(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "SPARE_ENTRIES", 3)
    async with local_node(data_dir=tmp_path) as node:
        for _ in range(6):
            await node.transact(node.accounts[0], to=node.accounts[1].address)

    assert len((tmp_path / "chain.waiting").read_text().splitlines()) <= 3


async def test_automine_mines_each_transaction_that_can_be_and_switching_it_off_stops(
    node: LocalNode,
) -> None:
    sender, payee = node.accounts[0], node.accounts[1].address
    assert await node.rpc("evm_setAutomine", True) is True
    first = await node.send(sender, to=payee)
    assert (await node.rpc("eth_getTransactionReceipt", first))["blockNumber"] == "0x1"
    await node.rpc("eth_sendRawTransaction", node.sign(sender, 2, to=payee))
    assert await node.rpc("eth_blockNumber") == "0x1", "nothing that could be mined came"
    await node.rpc("eth_sendRawTransaction", node.sign(sender, 1, to=payee))
    assert await node.rpc("eth_getBlockTransactionCountByNumber", "0x2") == "0x2"

    assert await node.rpc("evm_setAutomine", False) is True

    await node.send(sender, to=payee)
    assert await node.rpc("eth_blockNumber") == "0x2"


async def test_interval_takes_the_place_of_automine(node: LocalNode) -> None:
    await node.rpc("evm_setAutomine", True)
    assert await node.rpc("evm_setIntervalMining", 60) is True
    await node.send(node.accounts[0], to=node.accounts[1].address)
    assert await node.rpc("eth_blockNumber") == "0x0"

    assert await node.rpc("evm_setIntervalMining", 0) is True

    await node.rpc("evm_mine")
    assert await node.rpc("eth_getBlockTransactionCountByNumber", "0x1") == "0x1"


async def test_interval_can_be_changed_and_ended_while_blocks_come(node: LocalNode) -> None:
    miner = Miner(node.dev.chain)
    await asyncio.gather(*(miner.set_interval(seconds) for seconds in (60, 0.01, 0.02)))
    async with asyncio.timeout(10):
        while await node.rpc("eth_blockNumber") == "0x0":
            pass

    await miner.set_interval(None)

    height = await node.rpc("eth_blockNumber")
    await asyncio.sleep(0.1)
    assert await node.rpc("eth_blockNumber") == height


async def test_transaction_below_the_base_fee_waits_and_is_mined_when_it_fell(node: LocalNode) -> None:
    cheap = node.sign(
        node.accounts[0], 0, to=node.accounts[1].address, maxFeePerGas=800_000_000, maxPriorityFeePerGas=1
    )
    tx_hash = await node.rpc("eth_sendRawTransaction", cheap)
    await node.dev.mine()
    assert await node.rpc("eth_getTransactionReceipt", tx_hash) is None

    await node.dev.mine()

    assert (await node.rpc("eth_getTransactionReceipt", tx_hash))["blockNumber"] == "0x2"


async def test_blocks_come_by_interval_and_follow_the_clock() -> None:
    async with local_node(block_time=0.05) as node:
        tx_hash = await node.send(node.accounts[0], to=node.accounts[1].address, value=1)
        deadline = time.monotonic() + 5
        while await node.rpc("eth_getTransactionReceipt", tx_hash) is None:
            assert time.monotonic() < deadline, "no block came"

        genesis, first = [await node.rpc("eth_getBlockByNumber", number) for number in ("0x0", "0x1")]
    gap = int(first["timestamp"], 16) - int(genesis["timestamp"], 16)
    assert 1 <= gap <= 5


async def test_mining_on_demand_moves_time_by_at_least_a_second_a_block() -> None:
    async with local_node(clock=lambda: 1_000.0) as node:
        genesis = node.dev.chain.index.head.time
        await node.rpc("evm_mine", {"blocks": 3})
        assert int((await node.rpc("eth_getBlockByNumber", "latest"))["timestamp"], 16) == genesis + 3

        await node.rpc("evm_mine", hex(genesis + 100))
        assert int((await node.rpc("eth_getBlockByNumber", "latest"))["timestamp"], 16) == genesis + 100


async def test_increased_time_shows_in_the_next_block(node: LocalNode) -> None:
    before = int((await node.rpc("eth_getBlockByNumber", "latest"))["timestamp"], 16)
    assert await node.rpc("evm_increaseTime", 3600) == 3600
    await node.rpc("evm_mine")

    after = int((await node.rpc("eth_getBlockByNumber", "latest"))["timestamp"], 16)
    assert 3600 <= after - before <= 3660


async def test_pending_count_asked_while_a_block_is_mined_loses_nothing(node: LocalNode) -> None:
    """The block is built and published between the question's two halves: head first, pool second."""
    sender = node.accounts[0]
    await node.send(sender, to=node.accounts[1].address)
    local = node.dev.chain
    state = StateReads(local, Reads(local), Miner(local))

    _, count = await asyncio.gather(local.mine(), state.transaction_count(sender.address.lower(), "pending"))

    assert count == "0x1"
