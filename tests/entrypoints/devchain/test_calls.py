"""eth_call and eth_estimateGas tell what would happen, and a revert arrives with its data."""

from typing import Any

import pytest
from eth_utils.address import to_checksum_address

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


async def failure(node: LocalNode, method: str, *params: Any) -> tuple[int, str]:
    with pytest.raises(RpcFailure) as caught:
        await node.rpc(method, *params)
    return caught.value.code, caught.value.message


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (0x11, "arithmetic underflow or overflow"),
        (0x32, "out-of-bounds access of an array or bytesN"),
        (0x99, "unknown panic code: 0x99"),
    ],
)
async def test_panic_is_told_in_geths_words(node: LocalNode, code: int, words: str) -> None:
    panic = "4e487b71" + code.to_bytes(32, "big").hex()
    # codecopy the panic behind this code to memory and revert with it
    call = {"data": "0x6024600c60003960246000fd" + panic}

    for method in ("eth_call", "eth_estimateGas"):
        assert await failure(node, method, call) == (3, f"execution reverted: {words}")


@pytest.mark.parametrize("data", ["0x08c379a0", "0x08c379a0" + "ff" * 64, "0x4e487b71" + "00" * 3])
async def test_revert_data_that_only_resembles_a_reason_has_none(node: LocalNode, data: str) -> None:
    size = (len(data) - 2) // 2
    call = {"data": f"0x60{size:02x}600c60003960{size:02x}6000fd{data[2:]}"}

    assert await failure(node, "eth_call", call) == (3, "execution reverted")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("fe", "invalid opcode: INVALID"),
        ("01", "stack underflow"),
        ("600056", "invalid jump destination"),
        ("5b600056", "out of gas"),
    ],
)
async def test_execution_that_halts_says_how_in_geths_words(node: LocalNode, code: str, words: str) -> None:
    assert await failure(node, "eth_call", {"data": "0x" + code, "gas": hex(100_000)}) == (-32000, words)


async def test_estimate_is_bounded_by_what_the_sender_can_pay(node: LocalNode, token: str) -> None:
    poor, rich = "0x" + "77" * 20, node.accounts[0].address
    call = {"from": poor, "to": rich, "value": "0x1"}

    words = f"insufficient funds for gas * price + value: address {to_checksum_address(poor)} have 0 want 1"
    assert await failure(node, "eth_estimateGas", call) == (-32000, f"failed with 30000000 gas: {words}")
    assert await failure(node, "eth_call", call) == (-32000, f"err: {words} (supplied gas 30000000)")
    priced = call | {"maxFeePerGas": hex(10**9)}
    assert await failure(node, "eth_estimateGas", priced) == (-32000, "insufficient funds for transfer")
    funds = {poor: {"balance": hex(20_000 * 10**9 + 1)}}
    allowance = "gas required exceeds allowance (20000)"
    assert await failure(node, "eth_estimateGas", priced, "latest", funds) == (-32000, allowance)
    funds = {poor: {"balance": hex(21_000 * 10**9 + 1)}}
    assert await node.rpc("eth_estimateGas", priced, "latest", funds) == hex(21_000)
    both = call | {"gasPrice": "0x1", "maxFeePerGas": "0x1"}
    assert (await failure(node, "eth_call", both))[0] == -32602


async def test_gas_that_does_not_suffice_is_named(node: LocalNode, token: str) -> None:
    mint = calldata("mint(address,uint256)", [node.accounts[1].address, 5])
    call = {"from": node.accounts[0].address, "to": token, "data": mint}

    for gas in (25_000, 15_000):
        words = f"gas required exceeds allowance ({gas})"
        assert await failure(node, "eth_estimateGas", call | {"gas": hex(gas)}) == (-32000, words)
    too_little = "err: intrinsic gas too low: have 15000, want 21"
    assert (await failure(node, "eth_call", call | {"gas": hex(15_000)}))[1].startswith(too_little)


async def test_call_finds_accounts_as_the_overrides_say_and_leaves_them(node: LocalNode, token: str) -> None:
    slot0 = "0x" + "00" * 32
    returns_storage = "0x60005460005260206000f3"  # returns slot 0
    there = "0x" + "55" * 20

    async def stored(**override: Any) -> int:
        overrides = {there: {"code": returns_storage} | override}
        return int(await node.rpc("eth_call", {"to": there}, "latest", overrides), 16)

    seven, word = {slot0: "0x" + (7).to_bytes(32, "big").hex()}, "0x" + "00" * 31 + "01"
    assert await stored() == 0
    assert await stored(stateDiff=seven) == await stored(state=seven) == 7
    assert await stored(state={word: word}) == 0
    assert await node.rpc("eth_getCode", there) == "0x"
    owner = {"to": token, "data": calldata("owner()", [])}
    assert int(await node.rpc("eth_call", owner, "latest", {token: {"state": {}}}), 16) == 0
    assert int(await node.rpc("eth_call", owner), 16) == int(node.accounts[0].address, 16)
    for wrong in (
        {there: {"state": {}, "stateDiff": {}}},
        {there: {"unheard": 1}},
        {"0x1": {}},
        {there: {"stateDiff": {"0x1": word}}},
        {there: {"nonce": hex(2**64)}},
        7,
    ):
        assert (await failure(node, "eth_call", {"to": there}, "latest", wrong))[0] == -32602
