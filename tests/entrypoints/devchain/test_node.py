"""Starting and stopping a chain, its first block, and its tags."""

from pathlib import Path

import pytest

from bascule.entrypoints.devchain.accounts import dev_accounts
from bascule.entrypoints.devchain.node import DevChain
from tests.support.chain import LocalNode, RpcFailure, local_node

PROXY = "0x4e59b44847b379578588920cA78FbF26c0B4956C"


async def test_busy_port_is_one_clear_error_and_frees_the_data_directory(tmp_path: Path) -> None:
    async with local_node() as node:
        port = int(node.url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="address already in use"):
            await DevChain(port=port, data_dir=tmp_path).start()

    async with DevChain(port=port, data_dir=tmp_path) as again:
        assert again.url == node.url


async def test_stopping_twice_is_no_error_and_the_port_is_free() -> None:
    chain = DevChain()
    await chain.start()
    await chain.stop()
    await chain.stop()
    with pytest.raises(RuntimeError, match="not started"):
        await chain.mine()


async def test_well_known_accounts_hold_a_million_ether_each(node: LocalNode) -> None:
    accounts = await node.rpc("eth_accounts")

    assert accounts == [account.address for account in dev_accounts()]
    assert accounts[0] == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert accounts[9] == "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720"
    assert dev_accounts()[0].private_key.startswith("0xac0974bec39a17e36ba4a6b4d238ff94")
    balances = [await node.rpc("eth_getBalance", account) for account in accounts]
    assert balances == [hex(10**24)] * 10


async def test_deployment_proxy_deploys_to_the_computed_address(node: LocalNode) -> None:
    from bascule.domain.hashing import keccak

    assert len(await node.rpc("eth_getCode", PROXY)) == 2 + 69 * 2
    salt, init = bytes(31) + b"\x07", bytes.fromhex("6005600c60003960056000f3" + "60016000f3")
    receipt = await node.transact(node.accounts[0], to=PROXY, data="0x" + (salt + init).hex())

    address = keccak(b"\xff" + bytes.fromhex(PROXY[2:]) + salt + keccak(init))[12:]
    assert receipt["status"] == "0x1"
    assert await node.rpc("eth_getCode", "0x" + address.hex()) == "0x60016000f3"


async def test_tags_stand_at_settable_distances_from_the_head(node: LocalNode) -> None:
    async def heights() -> list[int]:
        tags = ("latest", "pending", "safe", "finalized", "earliest")
        return [int((await node.rpc("eth_getBlockByNumber", tag))["number"], 16) for tag in tags]

    assert await heights() == [0, 1, 0, 0, 0]
    await node.dev.mine(10)
    assert await heights() == [10, 11, 8, 6, 0]

    assert await node.rpc("bascule_setFinality", {"finalized": 9}) == {"safe": 2, "finalized": 9}
    assert await heights() == [10, 11, 8, 1, 0]
    await node.rpc("bascule_setFinality", {"safe": 0, "finalized": 0})
    assert await heights() == [10, 11, 10, 10, 0]
    with pytest.raises(RpcFailure, match="safe must not be further"):
        await node.rpc("bascule_setFinality", {"safe": 3})


async def test_state_is_read_at_the_block_that_is_named(node: LocalNode) -> None:
    payee = node.accounts[9].address
    for _ in range(3):
        await node.transact(node.accounts[0], to=payee, value=1)
    second = await node.rpc("eth_getBlockByNumber", "0x2")

    async def balance(at: object) -> int:
        return int(await node.rpc("eth_getBalance", payee, at), 16) - 10**24

    assert [await balance(at) for at in ("earliest", "0x1", "safe", "latest")] == [0, 1, 1, 3]
    assert await balance({"blockHash": second["hash"], "requireCanonical": True}) == 2
    assert await node.rpc("eth_getTransactionCount", node.accounts[0].address, "0x2") == "0x2"
    with pytest.raises(RpcFailure, match="header not found"):
        await balance("0x99")
