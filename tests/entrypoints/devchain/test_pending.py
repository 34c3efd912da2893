"""The tag `pending` shows the next block as it would be, and leaves no trace of having been looked at."""

from pathlib import Path

import pytest

from tests.support.chain import LocalNode, RpcFailure, calldata, deploy_dollar, local_node


async def test_pending_block_holds_what_would_be_mined_and_has_no_hash_yet(node: LocalNode) -> None:
    sender, payee = node.accounts[0], node.accounts[1].address
    first = await node.send(sender, to=payee)
    await node.rpc("eth_sendRawTransaction", node.sign(sender, 7, to=payee))

    block = await node.rpc("eth_getBlockByNumber", "pending", True)

    head = await node.rpc("eth_getBlockByNumber", "latest")
    assert (block["number"], block["parentHash"]) == ("0x1", head["hash"])
    assert [block[name] for name in ("hash", "nonce", "miner")] == [None, None, None]
    assert [tx["hash"] for tx in block["transactions"]] == [first]
    assert await node.rpc("eth_getBlockTransactionCountByNumber", "pending") == "0x1"
    assert (await node.rpc("eth_getTransactionByBlockNumberAndIndex", "pending", "0x0"))["hash"] == first
    assert await node.rpc("eth_blockNumber") == "0x0"
    assert await node.rpc("eth_getTransactionReceipt", first) is None


async def test_balance_code_storage_and_calls_at_pending_see_what_waits(node: LocalNode) -> None:
    owner, payee = node.accounts[0], "0x" + "12" * 20
    token = await deploy_dollar(node, owner)
    await node.send(owner, to=payee, value=5)
    await node.send(owner, to=token, data=calldata("mint(address,uint256)", [payee, 9]))

    for at, ether, dollars in (("pending", "0x5", 9), ("latest", "0x0", 0)):
        assert await node.rpc("eth_getBalance", payee, at) == ether
        assert await node.read(token, "balanceOf(address)", [payee], "uint256", at) == dollars
    spend = {"from": payee, "to": owner.address, "value": "0x3"}
    assert await node.rpc("eth_estimateGas", spend, "pending") == hex(21_000)
    with pytest.raises(RpcFailure, match="insufficient funds"):
        await node.rpc("eth_estimateGas", spend, "latest")


async def test_pending_follows_every_change_of_pool_and_head(node: LocalNode) -> None:
    payee = "0x" + "12" * 20

    async def balances() -> list[int]:
        return [int(await node.rpc("eth_getBalance", payee, at), 16) for at in ("latest", "pending")]

    assert await balances() == [0, 0]
    await node.send(node.accounts[0], to=payee, value=1)
    assert await balances() == [0, 1]
    await node.send(node.accounts[1], to=payee, value=2)
    assert await balances() == [0, 3]
    await node.dev.mine()
    assert await balances() == [3, 3]
    for fee in (7, 8):
        await node.rpc("bascule_setBaseFee", {"baseFee": hex(fee)})
        assert (await node.rpc("eth_getBlockByNumber", "pending"))["baseFeePerGas"] == hex(fee)


async def test_what_was_looked_at_in_advance_is_stored_when_it_is_mined(tmp_path: Path) -> None:
    async with local_node(data_dir=tmp_path) as node:
        token = await deploy_dollar(node, node.accounts[0])
        await node.send(
            node.accounts[0], to=token, data=calldata("mint(address,uint256)", [node.accounts[1].address, 9])
        )
        size = (tmp_path / "chain.blocks").stat().st_size
        assert (
            await node.read(token, "balanceOf(address)", [node.accounts[1].address], "uint256", "pending")
            == 9
        )
        assert (tmp_path / "chain.blocks").stat().st_size == size
        await node.dev.mine()

    async with local_node(data_dir=tmp_path) as node:
        assert await node.read(token, "balanceOf(address)", [node.accounts[1].address], "uint256") == 9


async def test_pending_logs_are_refused_as_geth_does(node: LocalNode) -> None:
    with pytest.raises(RpcFailure, match="pending logs are not supported") as caught:
        await node.rpc("eth_getLogs", {"fromBlock": "pending"})
    assert caught.value.code == -32000
