"""Transactions wait per sender in nonce order and are mined together; refusals are in geth's words."""

import time

import pytest

from tests.support.chain import LocalNode, RpcFailure, calldata, deploy_dollar, local_node


async def refusal(node: LocalNode, raw: str) -> str:
    with pytest.raises(RpcFailure) as caught:
        await node.rpc("eth_sendRawTransaction", raw)
    assert caught.value.code == -32000
    return caught.value.message


async def test_two_hundred_transfers_are_mined_in_one_block_in_time(node: LocalNode) -> None:
    senders = node.accounts
    raws = [
        node.sign(senders[i % 10], i // 10, to=senders[(i + 1) % 10].address, value=1) for i in range(200)
    ]
    for raw in raws:
        await node.rpc("eth_sendRawTransaction", raw)

    started = time.perf_counter()
    block = await node.dev.mine()
    took = time.perf_counter() - started

    print(f"200 transfers in one block: {took:.3f} s")
    assert len(block.transactions) == 200
    assert took < 0.7


async def test_two_hundred_token_transfers_are_mined_in_one_block_in_time(node: LocalNode) -> None:
    owner, payee = node.accounts[0], node.accounts[1]
    token = await deploy_dollar(node, owner)
    await node.transact(owner, to=token, data=mint(owner.address, 10**12))
    first = int(await node.rpc("eth_getTransactionCount", owner.address), 16)
    for nonce in range(first, first + 200):
        raw = node.sign(owner, nonce, to=token, data=transfer(payee.address, 1), gas=100_000)
        await node.rpc("eth_sendRawTransaction", raw)

    started = time.perf_counter()
    block = await node.dev.mine()
    took = time.perf_counter() - started

    print(f"200 token transfers in one block: {took:.3f} s")
    assert len(block.transactions) == 200
    assert await node.read(token, "balanceOf(address)", [payee.address], "uint256") == 200
    assert took < 2.0


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

    assert await refusal(node, raw) == "invalid chain id for signer: have 1 want 31337"


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


def mint(to: str, amount: int) -> str:
    return calldata("mint(address,uint256)", [to, amount])


def transfer(to: str, amount: int) -> str:
    return calldata("transfer(address,uint256)", [to, amount])
