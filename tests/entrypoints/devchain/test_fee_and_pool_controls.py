"""A gas spike and a transaction that fell out of the pool, on demand."""

import asyncio
import threading
from contextlib import suppress

import pytest

from tests.support.chain import LocalNode, RpcFailure

SPIKE = 40 * 10**9


async def base_fee(node: LocalNode, block: str = "latest") -> int:
    return int((await node.rpc("eth_getBlockByNumber", block, False))["baseFeePerGas"], 16)


async def test_base_fee_is_as_set_for_so_many_blocks_and_falls_as_on_mainnet_afterwards(
    node: LocalNode,
) -> None:
    await node.rpc("bascule_setBaseFee", {"baseFee": hex(SPIKE), "blocks": 2})

    history = await node.rpc("eth_feeHistory", "0x1", "latest")
    price = int(await node.rpc("eth_gasPrice"), 16)
    fees = []
    for _ in range(4):
        await node.dev.mine()
        fees.append(await base_fee(node))

    assert int(history["baseFeePerGas"][-1], 16) == SPIKE < price
    assert fees == [SPIKE, SPIKE, SPIKE * 7 // 8, SPIKE * 7 // 8 * 7 // 8]


async def test_transaction_that_pays_too_little_for_the_spike_waits_until_it_is_over(node: LocalNode) -> None:
    sender, payee = node.accounts[:2]
    await node.rpc("bascule_setBaseFee", {"baseFee": SPIKE})
    tx_hash = await node.send(sender, to=payee.address, maxFeePerGas=SPIKE - 1)

    await node.dev.mine()
    during = await node.rpc("eth_getTransactionReceipt", tx_hash)
    await node.dev.mine()

    assert during is None
    assert (await node.rpc("eth_getTransactionReceipt", tx_hash))["status"] == "0x1"


async def test_spike_moves_with_the_head_when_a_reorg_replaces_blocks(node: LocalNode) -> None:
    await node.dev.mine(3)
    await node.rpc("bascule_setBaseFee", {"baseFee": SPIKE, "blocks": 2})

    await node.rpc("bascule_reorg", {"depth": 1})

    assert [await base_fee(node, hex(number)) for number in (3, 4)] == [SPIKE, SPIKE]


async def test_dropped_transaction_is_forgotten_and_may_come_again(node: LocalNode) -> None:
    sender, payee = node.accounts[:2]
    raw = node.sign(sender, 0, to=payee.address)
    tx_hash = await node.rpc("eth_sendRawTransaction", raw)

    assert await node.rpc("bascule_dropTransaction", tx_hash) == tx_hash
    assert await node.rpc("bascule_dropTransaction", tx_hash) is None
    assert await node.rpc("eth_getTransactionByHash", tx_hash) is None
    await node.dev.mine()
    assert await node.rpc("eth_getTransactionReceipt", tx_hash) is None

    assert await node.rpc("eth_sendRawTransaction", raw) == tx_hash
    await node.dev.mine()
    assert (await node.rpc("eth_getTransactionReceipt", tx_hash))["status"] == "0x1"


async def while_a_block_is_mined(node: LocalNode, method: str, argument: object) -> object:
    """Asks it after the block was begun and before it is there."""
    held = threading.Event()
    busy = asyncio.create_task(node.dev.chain.evm(lambda _: held.wait()))
    mining = asyncio.create_task(node.dev.mine())
    await asyncio.sleep(0)
    asked = asyncio.create_task(node.rpc(method, argument))
    with suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(asked), 0.2)
    held.set()
    await asyncio.gather(busy, mining)
    return await asked


async def test_transaction_said_to_be_dropped_is_in_no_block_that_was_begun_before(node: LocalNode) -> None:
    tx_hash = await node.send(node.accounts[0], to=node.accounts[1].address)

    dropped = await while_a_block_is_mined(node, "bascule_dropTransaction", tx_hash)

    mined = await node.rpc("eth_getTransactionReceipt", tx_hash)
    assert (dropped is None) == (mined is not None)


async def test_spike_set_while_a_block_is_mined_is_the_next_blocks(node: LocalNode) -> None:
    await node.rpc("bascule_setBaseFee", {"baseFee": SPIKE})

    await while_a_block_is_mined(node, "bascule_setBaseFee", {"baseFee": 2 * SPIKE})
    await node.dev.mine()

    assert [await base_fee(node, hex(number)) for number in (1, 2)] == [SPIKE, 2 * SPIKE]


@pytest.mark.parametrize(
    ("method", "argument"),
    [
        ("bascule_setBaseFee", {}),
        ("bascule_setBaseFee", {"baseFee": "many"}),
        ("bascule_setBaseFee", {"baseFee": 2**65}),
        ("bascule_setBaseFee", {"baseFee": 1, "blocks": 0}),
        ("bascule_setBaseFee", {"baseFee": 1, "blocks": 10_001}),
        ("bascule_setBaseFee", {"base_fee": 1}),
        ("bascule_dropTransaction", "0x12"),
        ("bascule_dropTransaction", 5),
    ],
)
async def test_control_that_cannot_be_understood_is_refused_and_changes_nothing(
    node: LocalNode, method: str, argument: object
) -> None:
    with pytest.raises(RpcFailure) as caught:
        await node.rpc(method, argument)

    assert caught.value.code == -32602
    before = await base_fee(node)
    await node.dev.mine()
    assert await base_fee(node) <= before
