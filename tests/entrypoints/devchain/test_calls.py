"""eth_call and eth_estimateGas tell what would happen, and a revert arrives with its data."""

import pytest

from bascule.domain.hashing import keccak
from tests.support.chain import LocalNode, RpcFailure, calldata, deploy_dollar


@pytest.fixture
async def token(node: LocalNode) -> str:
    return await deploy_dollar(node, node.accounts[0])


async def test_custom_error_arrives_as_code_three_with_hex_data(node: LocalNode, token: str) -> None:
    who, payee = node.accounts[1].address, node.accounts[2].address
    call = {"from": who, "to": token, "data": calldata("transfer(address,uint256)", [payee, 5])}
    selector = keccak(b"ERC20InsufficientBalance(address,uint256,uint256)")[:4].hex()

    for method in ("eth_call", "eth_estimateGas"):
        with pytest.raises(RpcFailure) as caught:
            await node.rpc(method, call)
        assert caught.value.code == 3
        assert caught.value.message == "execution reverted"
        assert caught.value.data is not None
        assert caught.value.data.startswith("0x" + selector + who[2:].lower().rjust(64, "0"))


async def test_revert_with_a_reason_says_it(node: LocalNode) -> None:
    reason = (
        bytes.fromhex("08c379a0")
        + (32).to_bytes(32, "big")
        + (2).to_bytes(32, "big")
        + b"no".ljust(32, b"\0")
    )
    # codecopy the reason behind this code to memory and revert with it
    code = bytes.fromhex("6064600c60003960646000fd") + reason

    with pytest.raises(RpcFailure) as caught:
        await node.rpc("eth_call", {"data": "0x" + code.hex()})

    assert (caught.value.code, caught.value.message) == (3, "execution reverted: no")
    assert caught.value.data == "0x" + reason.hex()


async def test_revert_without_data_and_a_halt_differ(node: LocalNode) -> None:
    with pytest.raises(RpcFailure) as reverted:
        await node.rpc("eth_call", {"data": "0x60006000fd"})
    with pytest.raises(RpcFailure) as halted:
        await node.rpc("eth_call", {"data": "0xfe"})

    assert (reverted.value.code, reverted.value.data) == (3, "0x")
    assert halted.value.code == -32000


async def test_estimate_of_a_plain_transfer_is_exact(node: LocalNode) -> None:
    call = {"from": node.accounts[0].address, "to": node.accounts[1].address, "value": "0x1"}

    assert await node.rpc("eth_estimateGas", call) == hex(21_000)


async def test_transactions_with_the_estimated_gas_succeed_and_waste_little(
    node: LocalNode, token: str
) -> None:
    owner, payee = node.accounts[0], node.accounts[1]
    calls = [
        calldata("mint(address,uint256)", [payee.address, 5]),
        calldata("approve(address,uint256)", [payee.address, 5]),
        calldata("approve(address,uint256)", [payee.address, 0]),  # gives gas back for clearing storage
    ]
    for data in calls:
        estimate = int(
            await node.rpc("eth_estimateGas", {"from": owner.address, "to": token, "data": data}), 16
        )
        receipt = await node.transact(owner, to=token, data=data, gas=estimate)
        assert receipt["status"] == "0x1"


async def test_estimate_with_too_low_a_ceiling_is_refused(node: LocalNode, token: str) -> None:
    owner = node.accounts[0].address
    mint = calldata("mint(address,uint256)", [owner, 5])

    with pytest.raises(RpcFailure, match=r"gas required exceeds allowance \(30000\)"):
        await node.rpc("eth_estimateGas", {"from": owner, "to": token, "data": mint, "gas": hex(30_000)})


async def test_call_costs_nothing_and_changes_nothing(node: LocalNode, token: str) -> None:
    owner = node.accounts[0]
    mint = calldata("mint(address,uint256)", [owner.address, 5])
    await node.rpc("eth_call", {"from": owner.address, "to": token, "data": mint, "gasPrice": "0x1"})

    assert await node.read(token, "totalSupply()", [], "uint256") == 0
    assert await node.rpc("eth_getTransactionCount", owner.address) == "0x1"


async def test_call_sees_the_block_it_is_made_at(node: LocalNode) -> None:
    await node.dev.mine(3)
    number_and_time = "0x4360005242602052" + "60406000f3"  # return (number, timestamp)
    for height in ("0x1", "0x3", "latest"):
        answer = await node.rpc("eth_call", {"data": number_and_time}, height)
        block = await node.rpc("eth_getBlockByNumber", height)
        assert int(answer[2:66], 16) == int(block["number"], 16)
        assert int(answer[66:], 16) == int(block["timestamp"], 16)


async def test_storage_and_code_are_read(node: LocalNode, token: str) -> None:
    assert len(await node.rpc("eth_getCode", token)) > 1000
    assert await node.rpc("eth_getCode", node.accounts[0].address) == "0x"
    words = [await node.rpc("eth_getStorageAt", token, hex(slot)) for slot in range(12)]
    assert all(len(word) == 66 for word in words)
    assert any(node.accounts[0].address[2:].lower() in word for word in words)
