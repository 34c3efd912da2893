"""eth_getLogs answers from an index: every filter of the specification, fast."""

from typing import Any

import pytest

from tests.support.chain import LocalNode, RpcFailure, calldata, deploy_dollar

TRANSFER = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
# Creation code of a contract that emits as many Transfer-like logs, with one word of data, as its first
# calldata word says: for (i = n; i > 0; i--) log3(i, TRANSFER, caller, this).
RUNTIME = (
    "600035"  # n
    "5b" "8015603c57"  # loop: if n == 0 stop
    "80600052"  # mstore(0, n)
    "3033" "7f" + TRANSFER[2:] + "60206000a3"  # log3(0, 32, TRANSFER, caller, this)
    "6001900360035600"  # n = n - 1; loop
)  # fmt: skip


def emitter_code() -> str:
    runtime = bytes.fromhex(RUNTIME)
    stop = len(runtime)
    runtime = runtime.replace(bytes.fromhex("603c57"), bytes([0x60, stop, 0x57])) + bytes.fromhex("5b00")
    creation = bytes.fromhex(f"60{len(runtime):02x}600c60003960{len(runtime):02x}6000f3")
    return "0x" + (creation + runtime).hex()


def word(address: str) -> str:
    return "0x" + address[2:].lower().rjust(64, "0")


@pytest.fixture
async def story(node: LocalNode) -> dict[str, Any]:
    """Two tokens; block 3: a mint of each; block 4: empty; block 5: two transfers of the first."""
    owner, payee = node.accounts[0], node.accounts[1]
    first, second = await deploy_dollar(node, owner), await deploy_dollar(node, owner)
    for token in (first, second):
        await node.send(owner, to=token, data=calldata("mint(address,uint256)", [owner.address, 10**6]))
    await node.dev.mine(2)
    for receiver in (payee, owner):
        call = calldata("transfer(address,uint256)", [receiver.address, 5])
        await node.send(owner, to=first, data=call)
    await node.dev.mine()
    return {"node": node, "first": first, "second": second, "owner": owner.address, "payee": payee.address}


async def found(story: dict[str, Any], **criteria: Any) -> list[tuple[int, int]]:
    logs = await story["node"].rpc("eth_getLogs", {"fromBlock": "0x3", "topics": [TRANSFER]} | criteria)
    return [(int(log["blockNumber"], 16), int(log["logIndex"], 16)) for log in logs]


async def test_filters_by_range_address_and_topics_combine(story: dict[str, Any]) -> None:
    owner, payee, zero = word(story["owner"]), word(story["payee"]), "0x" + "00" * 32
    mints = await found(story, toBlock="0x3")
    assert [place[0] for place in mints] == [3, 3]
    assert await found(story, fromBlock="0x5") == [(5, 0), (5, 1)]
    assert await found(story, fromBlock="0x4", toBlock="0x4") == []
    assert await found(story, address=story["first"]) == [mints[0], (5, 0), (5, 1)]
    assert await found(story, address=[story["second"].lower()]) == [mints[1]]
    assert await found(story, address=[story["first"], story["second"]]) == [*mints, (5, 0), (5, 1)]
    assert await found(story, topics=[TRANSFER, zero]) == mints
    assert await found(story, topics=[None, owner, payee]) == [(5, 0)]
    assert await found(story, topics=[TRANSFER, None, [payee, owner]], fromBlock="0x5") == [(5, 0), (5, 1)]
    assert await found(story, topics=[[], [zero, owner], [payee]]) == [(5, 0)]
    assert await found(story, topics=[TRANSFER, owner, payee, zero]) == []
    assert await found(story, topics=[word(story["owner"])]) == []


async def test_logs_by_block_hash_equal_those_of_the_receipts(story: dict[str, Any]) -> None:
    node: LocalNode = story["node"]
    for number in range(6):
        block = await node.rpc("eth_getBlockByNumber", hex(number))
        by_hash = await node.rpc("eth_getLogs", {"blockHash": block["hash"]})
        by_range = await node.rpc("eth_getLogs", {"fromBlock": hex(number), "toBlock": hex(number)})
        receipts = await node.rpc("eth_getBlockReceipts", block["hash"])

        assert by_hash == by_range == [log for receipt in receipts for log in receipt["logs"]]
        assert {log["blockTimestamp"] for log in by_hash} <= {block["timestamp"]}


async def test_range_without_ends_means_the_latest_block(story: dict[str, Any]) -> None:
    logs = await story["node"].rpc("eth_getLogs", {})

    assert {log["blockNumber"] for log in logs} == {"0x5"}


async def test_range_above_the_head_is_empty_and_one_backwards_is_refused(story: dict[str, Any]) -> None:
    assert await found(story, fromBlock="0x20", toBlock="0x30") == []
    for criteria in (
        {"fromBlock": "0x5", "toBlock": "0x4"},
        {"fromBlock": "latest", "toBlock": "finalized"},
        {"blockHash": "0x" + "11" * 32, "fromBlock": "0x1"},
        {"fromBlock": "newest"},
        {"address": "0x1234"},
        {"topics": [["0x12"]]},
        {"topics": [None] * 5},
        {"unheard": 1},
    ):
        with pytest.raises(RpcFailure) as caught:
            await story["node"].rpc("eth_getLogs", criteria)
        assert caught.value.code == -32602, criteria


async def test_finality_tags_bound_the_range(story: dict[str, Any]) -> None:
    await story["node"].rpc("bascule_setFinality", {"safe": 1, "finalized": 2})

    assert [place[0] for place in await found(story, toBlock="safe")] == [3, 3]
    assert await found(story, toBlock="latest", fromBlock="safe") == [(5, 0), (5, 1)]


async def test_ten_thousand_logs_are_answered_at_once(node: LocalNode) -> None:
    deployed = await node.transact(node.accounts[0], data=emitter_code())
    emitter = deployed["contractAddress"]
    for _ in range(2):
        amount = "0x" + (5_000).to_bytes(32, "big").hex()
        await node.send(node.accounts[0], to=emitter, data=amount, gas=14_000_000)
    await node.dev.mine()

    async with node.session.post(
        node.url,
        json={"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [{"address": emitter}]},
    ) as response:
        body = await response.read()

    assert body.count(b"logIndex") == 10_000
