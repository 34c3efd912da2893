"""The local chain as a process of its own, over HTTP: blocks, logs, memory, start."""

import asyncio
import json
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from eth_account import Account

from bascule.entrypoints.devchain.accounts import DevAccount, dev_accounts
from benchmarks.harness import Figure, seconds

SERVE = """
import asyncio, sys
from pathlib import Path
from bascule.entrypoints.devchain.node import serve
data_dir = Path(sys.argv[1]) if sys.argv[1] else None
ready = lambda chain: print(chain.url, flush=True)
asyncio.run(serve("127.0.0.1", 0, data_dir=data_dir, block_time=None, ready=ready))
"""
# Creation code of a contract that emits as many Transfer-like logs, each with a word of data, as its first
# calldata word says: for (i = n; i > 0; i--) log3(i, Transfer, caller, this).
EMITTER = (
    "0x603f600c600039603f6000f3"
    "6000355b8015603d57806000523033"
    "7fddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    "60206000a36001900360035600" + "5b00"
)
EMITTERS = 10
CHAIN_ID = 31_337


class Node:
    """A plain JSON-RPC client of the process."""

    def __init__(self, url: str, session: aiohttp.ClientSession, pid: int) -> None:
        self._url, self._session, self._pid = url, session, pid
        self._nonces = dict.fromkeys(dev_accounts(), 0)

    async def raw(self, method: str, *params: Any) -> bytes:
        """Returns the answer's bytes, unread."""
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self._session.post(self._url, json=body) as response:
            return await response.read()

    async def rpc(self, method: str, *params: Any) -> Any:
        """Returns a method's result; a refusal ends the benchmark."""
        answer = json.loads(await self.raw(method, *params))
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return answer["result"]

    def sign(self, sender: DevAccount, **fields: Any) -> str:
        """Returns a signed transaction with the sender's next nonce."""
        nonce = self._nonces[sender]
        self._nonces[sender] += 1
        defaults = {"type": 2, "chainId": CHAIN_ID, "nonce": nonce, "gas": 21_000, "value": 0}
        fees = {"maxFeePerGas": 20 * 10**9, "maxPriorityFeePerGas": 10**9}
        signed = Account.sign_transaction(defaults | fees | fields, sender.private_key)
        return "0x" + bytes(signed.raw_transaction).hex()

    def peak_mb(self) -> float:
        """Returns the most memory the process ever held, in MB."""
        lines = Path(f"/proc/{self._pid}/status").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024 / 1e6


@asynccontextmanager
async def started(data_dir: str = "") -> AsyncIterator[Node]:
    """Starts a chain that mines on demand, and ends it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, data_dir, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        url = (await process.stdout.readline()).decode().strip()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=300)) as session:
            yield Node(url, session, process.pid)
    finally:
        process.terminate()
        await process.wait()


async def run(runs: int, scale: float) -> list[Figure]:
    """Measures each figure `runs` times."""
    async with started() as node:
        blocks = [await block_of_transfers(node, round(200 * scale)) for _ in range(runs)]
    figures = [
        Figure("200 raw transfers sent one by one", "s", tuple(sending for sending, _ in blocks)),
        Figure("block of 200 raw transfers mined", "s", tuple(mining for _, mining in blocks), 0.7),
    ]
    async with started() as node:
        figures += await log_figures(node, runs, max(100, round(100_000 * scale)))
    with tempfile.TemporaryDirectory() as data_dir:
        async with started(data_dir) as node:
            await block_of_transfers(node, round(50 * scale))
            await node.rpc("evm_mine", {"blocks": max(1, round(500 * scale))})

        async def start_again() -> None:
            async with started(data_dir) as node:
                await node.rpc("eth_blockNumber")

        starts = [await seconds(start_again) for _ in range(runs)]
    return [*figures, Figure("process started with 500 stored blocks, imports included", "s", tuple(starts))]


async def block_of_transfers(node: Node, count: int) -> tuple[float, float]:
    """Returns the seconds to send so many transfers of ten senders, and to mine them."""
    accounts = dev_accounts()
    raws = [node.sign(accounts[i % 10], to=accounts[(i + 1) % 10].address, value=1) for i in range(count)]

    async def send() -> None:
        for raw in raws:
            await node.rpc("eth_sendRawTransaction", raw)

    sending = await seconds(send)
    mining = await seconds(lambda: node.rpc("evm_mine"))
    block = await node.rpc("eth_getBlockByNumber", "latest", False)
    if len(block["transactions"]) != count:
        raise RuntimeError(f"a block of {count} was wanted, {len(block['transactions'])} were mined")
    return sending, mining


async def log_figures(node: Node, runs: int, stored: int) -> list[Figure]:
    """Stores logs of ten contracts in blocks of 1,000, and asks for a tenth of them in two ways."""
    sender = dev_accounts()[0]
    contracts = []
    for _ in range(EMITTERS):
        tx_hash = await node.rpc("eth_sendRawTransaction", node.sign(sender, data=EMITTER, gas=200_000))
        await node.rpc("evm_mine")
        contracts.append((await node.rpc("eth_getTransactionReceipt", tx_hash))["contractAddress"])
    each = min(100, stored // EMITTERS)
    blocks = stored // (each * EMITTERS)
    amount = "0x" + each.to_bytes(32, "big").hex()
    for _ in range(blocks):
        for contract in contracts:
            raw = node.sign(sender, to=contract, data=amount, gas=50_000 + 3_000 * each)
            await node.rpc("eth_sendRawTransaction", raw)
        await node.rpc("evm_mine")
    tenth = stored // EMITTERS
    first = EMITTERS + 1
    by_range = {"fromBlock": hex(first), "toBlock": hex(first + max(1, blocks // 10) - 1)}
    if blocks < 10:
        by_range |= {"address": contracts[1]}
    by_address = {"fromBlock": "0x0", "address": contracts[0]}
    figures = []
    for name, criteria in (("by range", by_range), ("by address, all blocks", by_address)):
        values = []
        for _ in range(runs):
            answers: list[bytes] = []

            async def ask(criteria: Any = criteria, answers: list[bytes] = answers) -> None:
                answers.append(await node.raw("eth_getLogs", criteria))

            values.append(await seconds(ask))
            if answers[0].count(b"logIndex") != tenth:
                raise RuntimeError(f"{tenth} logs were wanted, {answers[0].count(b'logIndex')} came")
        figures.append(Figure(f"eth_getLogs of 10,000 in 100,000 stored, {name}", "s", tuple(values), 0.2))
    return [*figures, Figure("most memory of the process, 100,000 logs stored", "MB", (node.peak_mb(),), 600)]
