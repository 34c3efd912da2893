"""Blocks as they are seen on busy chains, made by a seed: payments, approvals and swaps of three tokens.

Each transaction has one, two or four logs. How many addresses there are decides what a bloom can tell.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from bascule.chain.bloom import bloom_of
from bascule.chain.erc20 import TRANSFER
from bascule.domain.hashing import keccak

APPROVAL = keccak(b"Approval(address,address,uint256)")
SYNC = keccak(b"Sync(uint112,uint112)")
SWAP = keccak(b"Swap(address,uint256,uint256,uint256,uint256,address)")
TOKENS = [keccak(b"token %d" % n)[:20] for n in range(3)]
POOLS = [keccak(b"pool %d" % n)[:20] for n in range(3)]
HASH = "0x" + "ab" * 32
FEW = 8  # addresses
Pair = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Event:
    """A log without its place."""

    address: bytes
    topics: tuple[bytes, ...]
    data: bytes

    @property
    def items(self) -> tuple[bytes, ...]:
        """What of it stands in a bloom."""
        return self.address, *self.topics

    def told(self) -> dict[str, Any]:
        """As a receipt tells it."""
        return {
            "address": "0x" + self.address.hex(),
            "topics": ["0x" + topic.hex() for topic in self.topics],
            "data": "0x" + self.data.hex(),
        }


Block = list[list[Event]]  # by transaction


def distinct(random: Random) -> Iterator[Pair]:
    """Nobody comes again: every payment goes to an address of its own."""
    while True:
        yield random.randbytes(20), random.randbytes(20)


def repeated(random: Random) -> Iterator[Pair]:
    """Every second payment is by a payer who paid the same payee before in the block."""
    known = list[Pair]()
    for fresh in distinct(random):
        known.append(random.choice(known) if known and random.random() < 0.5 else fresh)
        yield known[-1]


def few(random: Random) -> Iterator[Pair]:
    """Eight addresses pay each other."""
    addresses = [random.randbytes(20) for _ in range(FEW)]
    while True:
        payer, payee = random.sample(addresses, 2)
        yield payer, payee


def block(random: Random, size: int, pairs: Callable[[Random], Iterator[Pair]]) -> Block:
    """Transactions with `size` logs together; of ten, seven pay, two also approve and one swaps."""
    between, amounts, made = pairs(random), itertools.count(10_000_000), list[list[Event]]()
    while left := size - sum(map(len, made)):
        token, pool, (payer, payee) = random.choice(TOKENS), random.choice(POOLS), next(between)

        def event(name: bytes, src: bytes, dst: bytes, at: bytes = token) -> Event:
            return Event(at, (name, bytes(12) + src, bytes(12) + dst), next(amounts).to_bytes(32, "big"))

        kind = random.random()
        if kind < 0.1 and left >= 4:
            swap = event(SWAP, payer, payee, pool)
            synced = Event(pool, (SYNC,), random.randbytes(64))
            made.append([event(TRANSFER, payer, pool), event(TRANSFER, pool, payee), synced, swap])
        elif kind < 0.3 and left >= 2:
            made.append([event(APPROVAL, payer, pool), event(TRANSFER, payer, payee)])
        else:
            made.append([event(TRANSFER, payer, payee)])
    return made


def without(content: Block, gone: Collection[int]) -> Block:
    """The block's transactions without the events at these places."""
    places = itertools.count()
    return [[event for event in events if next(places) not in gone] for events in content]


def bloom(events: Sequence[Event]) -> bytes:
    """The filter of these."""
    return bloom_of({item for event in events for item in event.items})


def log_answer(content: Block, number: int, places: Sequence[int]) -> list[dict[str, Any]]:
    """What `eth_getLogs` says of the block when its logs are numbered so."""
    flat = [(tx, event) for tx, events in enumerate(content) for event in events]
    block = {"blockHash": HASH, "blockNumber": hex(number)}
    return [
        event.told() | block | {"logIndex": hex(place), "transactionHash": tx_name(tx)}
        for place, (tx, event) in zip(places, flat, strict=True)
    ]


def receipt_answer(content: Block) -> list[dict[str, Any]]:
    """What `eth_getBlockReceipts` says of the block; each receipt's own bloom fits its logs."""
    return [
        {
            "transactionHash": tx_name(tx), "transactionIndex": hex(tx), "type": "0x2", "status": "0x1",
            "cumulativeGasUsed": hex(60_000 * (tx + 1)), "logsBloom": "0x" + bloom(events).hex(),
            "logs": [event.told() for event in events],
        }
        for tx, events in enumerate(content)
    ]  # fmt: skip


def tx_name(tx: int) -> str:
    """What the tx-th transaction is called."""
    return "0x" + keccak(b"transaction %d" % tx).hex()
