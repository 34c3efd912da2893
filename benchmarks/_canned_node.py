"""A node with canned answers, as a process of its own: headers, logs and receipts that really link and hash.

What differs from block to block is filled into prepared bytes, so that answering costs next to nothing.

`python -m benchmarks._canned_node '{"blocks": 200, "transactions": 5, "logs": 100}'` prints its URL.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from aiohttp import web

from bascule.chain import receipts_root, trie
from bascule.chain.bloom import bloom_of
from bascule.chain.erc20 import TRANSFER
from bascule.chain.families import ETHEREUM
from bascule.chain.header_hash import HeaderJson, header_hash
from bascule.chain.receipts_root import ReceiptJson
from bascule.domain.hashing import keccak

CHAIN = 31_337
TOKEN = b"\xc0" * 20
AMOUNT = 10_000_000  # of the first log of each block; each later one moves one unit more
START = 1_700_000_000
EMPTY = bytes(32)
BALANCE_OF = "0x70a08231"  # selector of balanceOf(address)


def payee(number: int) -> bytes:
    """Whom the number-th pair pays."""
    return keccak(b"payee %d" % number)[:20]


@dataclass(frozen=True)
class Shape:
    """A chain: an empty block, then `blocks` of so many transactions with so many Transfers, then empty ones.

    shown: how many blocks the node has at first; None: all; pairs: of payer and payee that differ before they
    come again.
    """

    blocks: int
    transactions: int
    logs: int
    empty: int = 64
    shown: int | None = None
    pairs: int = 10_000

    @property
    def events(self) -> int:
        """All Transfers of the chain."""
        return self.blocks * self.transactions * self.logs


@dataclass(frozen=True, slots=True)
class Content:
    """What some blocks have in common, with places for what each has for itself."""

    bloom: str
    root: str
    logs: bytes
    receipts: bytes


@dataclass
class Chain:
    """The blocks, by height and by hash. head: the newest one that is shown."""

    shape: Shape
    head: int = 0
    hashes: list[bytes] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)
    heights: dict[str, int] = field(default_factory=dict)
    contents: list[Content] = field(default_factory=list)
    paid: dict[bytes, tuple[int, int]] = field(default_factory=dict)  # payee: which content pays it, how much

    def build(self) -> None:
        """Makes every block."""
        shape = self.shape
        each = shape.transactions * shape.logs
        for i in range(max(1, min(shape.blocks, shape.pairs // each))):
            pairs = range(i * each, (i + 1) * each)
            self.contents.append(content(shape, pairs))
            self.paid.update({payee(p): (i, AMOUNT + index) for index, p in enumerate(pairs)})
        nothing = Content("0x" + "00" * 256, "0x" + trie.root([]).hex(), b"[]", b"[]")
        parent = EMPTY
        for number in range(2 + shape.blocks + shape.empty):
            has = self.content(number)
            parent = self._add(number, parent, has or nothing)
        self.head = (len(self.headers) if shape.shown is None else shape.shown) - 1

    def content(self, number: int) -> Content | None:
        """What a block holds; None: nothing."""
        if not 2 <= number < 2 + self.shape.blocks:
            return None
        return self.contents[(number - 2) % len(self.contents)]

    def _add(self, number: int, parent: bytes, has: Content) -> bytes:
        names = [] if has.logs == b"[]" else [name(number, tx) for tx in range(self.shape.transactions)]
        header: dict[str, Any] = {
            "number": hex(number), "parentHash": "0x" + parent.hex(), "timestamp": hex(START + number),
            "logsBloom": has.bloom, "receiptsRoot": has.root, "transactions": names, "hash": "",
            "sha3Uncles": "0x" + keccak(b"\xc0").hex(), "miner": "0x" + "00" * 20, "nonce": "0x" + "00" * 8,
            "stateRoot": "0x" + "11" * 32,
            "transactionsRoot": "0x" + "22" * 32, "difficulty": "0x0", "gasLimit": "0x1c9c380",
            "gasUsed": "0x5208", "extraData": "0x", "mixHash": "0x" + "33" * 32,
            "baseFeePerGas": "0x7", "withdrawalsRoot": "0x" + trie.root([]).hex(), "blobGasUsed": "0x0",
            "excessBlobGas": "0x0", "parentBeaconBlockRoot": "0x" + "44" * 32,
            "requestsHash": "0x" + "55" * 32, "size": "0x220", "uncles": [], "withdrawals": [],
        }  # fmt: skip
        own = header_hash(ETHEREUM, msgspec.convert(header, HeaderJson))
        header["hash"] = "0x" + own.hex()
        self.hashes.append(own)
        self.headers.append(msgspec.json.encode(header))
        self.heights[header["hash"]] = number
        return own

    def balance(self, holder: bytes, height: int) -> int:
        """What a payee holds of the token at the end of a block."""
        if holder not in self.paid:
            return 0
        place, amount = self.paid[holder]
        blocks = max(0, min(height - 1, self.shape.blocks))  # the first one with Transfers has height 2
        return amount * len(range(place, blocks, len(self.contents)))

    def filled(self, number: int, prepared: bytes) -> bytes:
        """The bytes with the block's own hash, height and names of transactions."""
        told = prepared.replace(b"@hash", b"0x" + self.hashes[number].hex().encode())
        told = told.replace(b"@number", hex(number).encode())
        for tx in range(self.shape.transactions):
            told = told.replace(b"@tx%d@" % tx, name(number, tx).encode())
        return told

    def logs(self, numbers: Sequence[int]) -> bytes:
        """The logs of these blocks as one list."""
        parts = [self.filled(n, has.logs)[1:-1] for n in numbers if (has := self.content(n)) is not None]
        return b"[" + b",".join(parts) + b"]"


def name(number: int, tx: int) -> str:
    """What the tx-th transaction of a block is called."""
    return "0x" + keccak(b"transaction %d of %d" % (tx, number)).hex()


def content(shape: Shape, pairs: range) -> Content:
    """The logs and receipts of a block whose Transfers are of these pairs."""
    topics = [[TRANSFER, bytes(12) + keccak(b"payer %d" % p)[:20], bytes(12) + payee(p)] for p in pairs]
    told = [
        {
            "address": "0x" + TOKEN.hex(), "topics": ["0x" + topic.hex() for topic in each],
            "data": "0x" + (AMOUNT + index).to_bytes(32, "big").hex(),
            "blockHash": "@hash", "blockNumber": "@number",
            "transactionHash": f"@tx{index // shape.logs}@", "transactionIndex": hex(index // shape.logs),
            "logIndex": hex(index), "blockTimestamp": "0x6553f100", "removed": False,
        }
        for index, each in enumerate(topics)
    ]  # fmt: skip
    receipts = []
    for tx in range(shape.transactions):
        part = slice(tx * shape.logs, (tx + 1) * shape.logs)
        items = [TOKEN, *(topic for each in topics[part] for topic in each)]
        receipts.append({
            "transactionHash": f"@tx{tx}@", "transactionIndex": hex(tx), "blockHash": "@hash",
            "blockNumber": "@number", "from": "0x" + "66" * 20, "to": "0x" + TOKEN.hex(), "type": "0x2",
            "status": "0x1", "cumulativeGasUsed": hex(1_000_000 * (tx + 1)), "gasUsed": "0xf4240",
            "effectiveGasPrice": "0x7", "contractAddress": None, "logsBloom": "0x" + bloom_of(items).hex(),
            "logs": told[part],
        })  # fmt: skip
    encoded = [receipts_root.encoded(ETHEREUM, msgspec.convert(each, ReceiptJson)) for each in receipts]
    bloom = bloom_of([TOKEN, *(topic for each in topics for topic in each)])
    return Content(
        "0x" + bloom.hex(),
        "0x" + trie.root(encoded).hex(),
        msgspec.json.encode(told),
        msgspec.json.encode(receipts),
    )


class Node:
    """Answers what a watcher asks."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain

    async def handle(self, request: web.Request) -> web.Response:
        """One HTTP request: a call or a batch of them."""
        asked = msgspec.json.decode(await request.read())
        if isinstance(asked, list):
            body = b"[" + b",".join(self._answer(call) for call in asked) + b"]"
        else:
            body = self._answer(asked)
        return web.Response(body=body, content_type="application/json")

    def _answer(self, call: dict[str, Any]) -> bytes:
        result = self._result(call["method"], call["params"])
        return b'{"jsonrpc":"2.0","id":%d,"result":%s}' % (call["id"], result)

    def _result(self, method: str, params: list[Any]) -> bytes:
        chain = self._chain
        match method, params:
            case "eth_chainId", _:
                return b'"%s"' % hex(CHAIN).encode()
            case "eth_blockNumber", _:
                return b'"%s"' % hex(chain.head).encode()
            case "eth_getBlockByNumber", [height, _]:
                number = chain.head if not height.startswith("0x") else int(height, 16)
                return chain.headers[number] if number <= chain.head else b"null"
            case "eth_getBlockByHash", [block_hash, _]:
                return chain.headers[chain.heights[block_hash]]
            case "eth_getLogs", [{"blockHash": block_hash}]:
                return chain.logs([chain.heights[block_hash]])
            case "eth_getLogs", [{"fromBlock": first, "toBlock": last}]:
                return chain.logs(range(int(first, 16), int(last, 16) + 1))
            case "eth_getBlockReceipts", [block_hash]:
                number = chain.heights[block_hash]
                has = chain.content(number)
                return b"[]" if has is None else chain.filled(number, has.receipts)
            case "eth_call", [{"data": data}, height] if data.startswith(BALANCE_OF):
                held = chain.balance(bytes.fromhex(data[-40:]), int(height, 16))
                return b'"0x%064x"' % held
            case "eth_getBalance", _:
                return b'"0x0"'
            case "bench_grow", _:
                chain.head += 1
                return b"%d" % chain.head
        raise ValueError(f"no canned answer to {method} {params}")


async def serve(shape: Shape) -> None:
    """Serves the chain on a free port, until it is ended."""
    chain = Chain(shape)
    chain.build()
    app = web.Application(client_max_size=2**24)
    app.router.add_post("/", Node(chain).handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sys.stdout.write(f"http://127.0.0.1:{runner.addresses[0][1]}/\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Shape(**json.loads(sys.argv[1]))))
