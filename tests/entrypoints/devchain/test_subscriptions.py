"""What happens on the chain reaches whoever subscribed, over WebSocket on the same port."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from web3 import AsyncWeb3, WebSocketProvider

from bascule.entrypoints.devchain import websocket
from tests.support.chain import LocalNode, local_node

LOG0 = "0x60006000a000"  # emits one log without topics, as creation code
BIG_LOG0 = "0x6150006000a000"  # the same with 20 KiB of data


class Client:
    """A plain WebSocket client: answers and notifications as they come."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def ask(self, method: str, *params: Any) -> Any:
        await self.socket.send_json({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
        answer = await self.next()
        return answer.get("result", answer.get("error"))

    async def next(self) -> Any:
        return await self.socket.receive_json(timeout=30)

    async def told(self) -> Any:
        """The next notification's result."""
        return (await self.next())["params"]["result"]

    async def silent(self) -> bool:
        """Whether nothing else came: the answer to a question is the next message."""
        return bool(await self.ask("eth_chainId") == "0x7a69")


@asynccontextmanager
async def connected(node: LocalNode) -> AsyncIterator[Client]:
    async with node.session.ws_connect(node.url, max_msg_size=0) as socket:
        yield Client(socket)


async def header(node: LocalNode, number: int) -> dict[str, Any]:
    block = await node.rpc("eth_getBlockByNumber", hex(number))
    return {
        name: value
        for name, value in block.items()
        if name not in {"size", "uncles", "withdrawals", "transactions"}
    }


async def test_every_new_head_is_told_and_after_a_reorg_those_of_the_whole_branch(node: LocalNode) -> None:
    async with connected(node) as client:
        await client.ask("eth_subscribe", "newHeads")
        await node.dev.mine(3)
        assert [await client.told() for _ in range(3)] == [await header(node, n) for n in (1, 2, 3)]

        await node.dev.reorg(2)

        branch = [await client.told() for _ in range(3)]
        assert branch == [await header(node, n) for n in (2, 3, 4)]
        assert await client.silent()


async def test_logs_of_replaced_blocks_are_taken_back_before_the_new_ones_come(node: LocalNode) -> None:
    async with connected(node) as client:
        await client.ask("eth_subscribe", "logs", {})
        gone, back = [await node.send(account, data=LOG0) for account in node.accounts[:2]]
        await node.dev.mine()
        first = [await client.told(), await client.told()]
        assert [(log["transactionHash"], log["removed"]) for log in first] == [(gone, False), (back, False)]

        await node.dev.reorg(1, [gone])

        told = [await client.told() for _ in range(3)]
        assert told[:2] == [log | {"removed": True} for log in first]
        assert told[2] == (await node.rpc("eth_getLogs", {"fromBlock": "0x0"}))[0]
        assert await client.silent()


async def test_only_matching_logs_are_told(node: LocalNode) -> None:
    async with connected(node) as client:
        await client.ask("eth_subscribe", "logs", {"address": "0x" + "11" * 20})
        await client.ask("eth_subscribe", "logs", {"topics": ["0x" + "22" * 32]})
        await node.transact(node.accounts[0], data=LOG0)

        assert await client.silent()


async def test_reverting_to_a_snapshot_takes_its_logs_back(node: LocalNode) -> None:
    async with connected(node) as client:
        snapshot = await node.rpc("evm_snapshot")
        await client.ask("eth_subscribe", "logs")
        await node.transact(node.accounts[0], data=LOG0)
        log = await client.told()

        await node.rpc("evm_revert", snapshot)

        assert await client.told() == log | {"removed": True}


async def test_transactions_are_told_once_they_can_be_mined(node: LocalNode) -> None:
    sender, payee = node.accounts[0], node.accounts[1].address
    async with connected(node) as client:
        await client.ask("eth_subscribe", "newPendingTransactions")
        later = await node.rpc("eth_sendRawTransaction", node.sign(sender, 1, to=payee))
        assert await client.silent(), "a queued transaction cannot be mined"
        first = await node.rpc("eth_sendRawTransaction", node.sign(sender, 0, to=payee))
        assert [await client.told(), await client.told()] == [first, later]

        await client.ask("eth_subscribe", "newPendingTransactions", True)
        tx_hash = await node.send(sender, to=payee)
        whole = [await client.told(), await client.told()]
        assert whole == [tx_hash, await node.rpc("eth_getTransactionByHash", tx_hash)]


async def test_subscription_is_answered_before_it_tells_anything(node: LocalNode) -> None:
    async with connected(node) as client:
        await client.socket.send_json(
            [
                {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]},
                {"jsonrpc": "2.0", "id": 2, "method": "evm_mine"},
            ]
        )

        answers, notification = await client.next(), await client.next()

        assert notification["params"]["subscription"] == answers[0]["result"]
        assert notification["params"]["result"]["number"] == "0x1"


async def test_unsubscribed_means_silence_and_twice_is_an_error(node: LocalNode) -> None:
    async with connected(node) as client:
        name = await client.ask("eth_subscribe", "newHeads")
        assert await client.ask("eth_unsubscribe", name) is True
        await node.dev.mine()

        gone = await client.ask("eth_unsubscribe", name)

        assert (gone["code"], gone["message"]) == (-32000, "subscription not found")
        unknown = await client.ask("eth_subscribe", "syncing")
        assert (unknown["code"], unknown["message"]) == (-32601, 'no "syncing" subscription in eth namespace')
        assert (await client.ask("eth_subscribe"))["code"] == -32602
        assert (await client.ask("eth_subscribe", "logs", {"topics": 5}))["code"] == -32602


async def test_subscribing_over_http_says_that_it_cannot_be(node: LocalNode) -> None:
    answer = await node.post({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]})

    assert answer["error"] == {"code": -32601, "message": "notifications not supported"}


async def test_rubbish_is_answered_and_the_connection_stays(node: LocalNode) -> None:
    async with connected(node) as client:
        for rubbish, code in (("{", -32700), ("[" * 100_000, -32700), ("[]", -32600), ("7", -32600)):
            await client.socket.send_str(rubbish)
            assert (await client.next())["error"]["code"] == code
        await client.socket.send_bytes(b'{"jsonrpc":"2.0","id":9,"method":"eth_blockNumber"}')
        assert (await client.next())["result"] == "0x0"
        await client.socket.send_str('{"jsonrpc":"2.0","method":"evm_mine"}')
        assert await client.ask("eth_blockNumber") == "0x1"


async def test_slow_reader_is_dropped_with_a_reason_and_nothing_is_kept_for_it(
    node: LocalNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "MAX_UNSENT", 1_000_000)
    async with connected(node) as slow, connected(node) as quick:
        for client in (slow, quick):
            await client.ask("eth_subscribe", "logs")
        transport = slow.socket._conn.transport  # type: ignore[union-attr]
        transport.pause_reading()
        told = 0
        while len(node.dev.chain.feed._listeners) == 3:
            for _ in range(20):
                await node.send(node.accounts[0], data=BIG_LOG0)
            await node.dev.mine()
            for _ in range(20):
                assert (await quick.told())["logIndex"] == hex(told % 20)
                told += 1
            assert told < 2_000, "the slow reader was never dropped"

        transport.resume_reading()
        async with asyncio.timeout(30):
            messages = [message async for message in slow.socket]

        assert 1 <= len(messages) < told
        assert (slow.socket.close_code, quick.socket.closed) == (1008, False)
        assert await quick.silent()


async def test_chain_that_stops_says_goodbye_to_its_listeners() -> None:
    async with local_node() as node:
        client = await node.session.ws_connect(node.url)
        stopping = asyncio.create_task(node.dev.stop())
        goodbye = await client.receive()
        await stopping
        assert (goodbye.type, client.close_code) == (aiohttp.WSMsgType.CLOSE, 1001)


async def test_web3_hears_heads_and_logs_over_its_websocket_provider(node: LocalNode) -> None:
    async with AsyncWeb3(WebSocketProvider(node.url.replace("http", "ws"))) as web3:
        assert await web3.eth.chain_id == 31337
        heads = await web3.eth.subscribe("newHeads")
        logs = await web3.eth.subscribe("logs", {"address": None})  # type: ignore[typeddict-item]
        receipt = await node.transact(node.accounts[0], data=LOG0)
        heard: dict[Any, Any] = {}
        async with asyncio.timeout(30):
            async for message in web3.socket.process_subscriptions():
                heard[message["subscription"]] = message["result"]
                if len(heard) == 2:
                    break
        assert heard[heads]["hash"].to_0x_hex() == receipt["blockHash"]
        assert heard[logs]["transactionHash"].to_0x_hex() == receipt["transactionHash"]


async def test_filters_tell_what_happened_since_they_were_asked(node: LocalNode) -> None:
    blocks = await node.rpc("eth_newBlockFilter")
    logs = await node.rpc("eth_newFilter", {"fromBlock": "0x0"})
    pending = await node.rpc("eth_newPendingTransactionFilter")
    receipt = await node.transact(node.accounts[0], data=LOG0)

    assert await node.rpc("eth_getFilterChanges", pending) == [receipt["transactionHash"]]
    assert await node.rpc("eth_getFilterChanges", blocks) == [receipt["blockHash"]]
    assert await node.rpc("eth_getFilterChanges", logs) == receipt["logs"]
    assert await node.rpc("eth_getFilterLogs", logs) == receipt["logs"]
    assert [await node.rpc("eth_getFilterChanges", name) for name in (blocks, logs, pending)] == [[], [], []]

    await node.dev.reorg(1)

    told = await node.rpc("eth_getFilterChanges", logs)
    assert [log["removed"] for log in told] == [True, False]
    assert await node.rpc("eth_uninstallFilter", logs) is True
    assert await node.rpc("eth_uninstallFilter", logs) is False
    for call in (["eth_getFilterChanges", logs], ["eth_getFilterLogs", blocks], ["eth_getFilterLogs", "0x1"]):
        answer = await node.post({"jsonrpc": "2.0", "id": 1, "method": call[0], "params": call[1:]})
        assert answer["error"] == {"code": -32000, "message": "filter not found"}
