"""The batches a vault's lane executed, as calldata and receipts say; the lane's heads prove them whole.

Every head is the hash of the call that led to it, the head before among its words. So calls that lead from
one head to another are all there were between the two, and not a word of them can be bent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from bascule.chain import block_receipts, heads, receipts
from bascule.chain import vault as vault_events
from bascule.chain.caller import Caller
from bascule.chain.erc20 import Transfer, transfers
from bascule.chain.errors import WrongShape
from bascule.chain.hexes import data, number, quantity
from bascule.chain.logs import Log
from bascule.chain.receipts import Receipt
from bascule.chain.vault import BATCH_PAID, LANE_SET, PAYOUT_CANCELED, BatchPaid
from bascule.domain import vault as layout
from bascule.domain.chain import Address, BlockRef, Hash
from bascule.domain.errors import Halted
from bascule.domain.fees import Fees

BLOCKS_AT_ONCE = 2_000  # what public nodes commonly answer of a filter in one piece


@dataclass(frozen=True, slots=True)
class Executed:
    """A batch that ran. paid: the Transfer of each paid bit."""

    call: layout.Batch
    event: BatchPaid
    receipt: Receipt
    paid: Mapping[int, Transfer]


@dataclass(frozen=True, slots=True)
class Canceled:
    """The vault's word that an id is used up and was not before; in a block whose receipts prove it."""

    vault_id: int
    block: BlockRef
    log: Log


class _Place(msgspec.Struct):
    transactionHash: str
    blockHash: str


class _Ran(msgspec.Struct):
    transactionHash: str
    topics: list[str]


class _Given(msgspec.Struct):
    blockNumber: str
    topics: list[str]


class _Sent(msgspec.Struct, rename={"sender": "from"}):
    sender: str


class _Call(msgspec.Struct):
    input: str
    gas: str
    maxFeePerGas: str
    maxPriorityFeePerGas: str


async def executed(
    rpc: Caller, vault: Address, lane: int, *, first: int, last: int, head: Hash, until: Hash
) -> list[Executed]:
    """The lane's batches that lead from `head` to `until`, among blocks `first` to `last`, in order.

    Raises: Halted when the node does not show all of them; WrongShape; as `Caller.call`.
    """
    by_start: dict[Hash, Executed] = {}
    for begin in range(first, last + 1, BLOCKS_AT_ONCE):
        for tx_hash in await _calls(rpc, vault, lane, begin, min(begin + BLOCKS_AT_ONCE - 1, last)):
            found = await _read(rpc, vault, lane, tx_hash)
            by_start[found.call.expected_head] = found
    chain: list[Executed] = []
    while head != until:
        following = by_start.pop(head, None)
        if following is None:
            raise Halted(
                f"no batch of lane {lane} after head 0x{head.hex()} was shown in blocks {first} to {last};"
                " ask another node, or one that keeps all of its logs"
            )
        chain.append(following)
        head = following.event.head
    return chain


async def lanes_that_ran(
    rpc: Caller, vault: Address, known: Collection[int], *, first: int, last: int
) -> dict[int, Address]:
    """The lanes beside `known` that ran a batch in blocks `first` to `last`, and who sent it.

    A node's word. Raises: as `Caller.call`.
    """
    found: dict[int, str] = {}
    for begin in range(first, last + 1, BLOCKS_AT_ONCE):
        asked = {
            "address": "0x" + vault.hex(), "fromBlock": quantity(begin),
            "toBlock": quantity(min(begin + BLOCKS_AT_ONCE - 1, last)), "topics": ["0x" + BATCH_PAID.hex()],
        }  # fmt: skip
        for told in await rpc.call_as(list[_Ran], "eth_getLogs", asked):
            if len(told.topics) > 1:
                found[number(told.topics[1], method="eth_getLogs")] = told.transactionHash
    return {lane: await _sender(rpc, tx_hash) for lane, tx_hash in found.items() if lane not in known}


async def lanes_set(rpc: Caller, vault: Address, last: int) -> dict[int, int]:
    """The lanes that the vault's owner ever gave to somebody, or closed, up to block `last`; when first.

    A node's word, asked for at once: a vault may be older than all we know of its chain. Raises: as
    `Caller.call`.
    """
    method = "eth_getLogs"
    asked = {
        "address": "0x" + vault.hex(), "fromBlock": "0x0", "toBlock": quantity(last),
        "topics": ["0x" + LANE_SET.hex()],
    }  # fmt: skip
    first: dict[int, int] = {}
    for each in await rpc.call_as(list[_Given], method, asked):
        if len(each.topics) > 1:
            lane, block = (number(word, method=method) for word in (each.topics[1], each.blockNumber))
            first[lane] = min(block, first.get(lane, block))
    return first


async def canceled(
    rpc: Caller, vault: Address, ids: Sequence[int], *, first: int, last: int
) -> list[Canceled]:
    """Where the vault canceled some of these ids, among blocks `first` to `last`, as their receipts prove.

    A node may leave one out; none is made up. Raises: as `Caller.call`.
    """
    wanted = ["0x" + vault_id.to_bytes(32, "big").hex() for vault_id in ids]
    found: dict[Hash, None] = {}
    for begin in range(first, last + 1, BLOCKS_AT_ONCE) if wanted else ():
        asked = {
            "address": "0x" + vault.hex(), "fromBlock": quantity(begin),
            "toBlock": quantity(min(begin + BLOCKS_AT_ONCE - 1, last)),
            "topics": ["0x" + PAYOUT_CANCELED.hex(), wanted],
        }  # fmt: skip
        for told in await rpc.call_as(list[_Place], "eth_getLogs", asked):
            found[Hash(data(told.blockHash, 32, method="eth_getLogs"))] = None
    headers = [each for each in await heads.by_hashes(rpc, list(found)) if each is not None and each.sealed]
    logs = await block_receipts.logs_of(rpc, headers)
    return [
        Canceled(vault_id, header.ref, log)
        for header, block_logs in zip(headers, logs, strict=True)
        for vault_id in ids
        for log in block_logs
        if log.address == vault and log.topics == (PAYOUT_CANCELED, vault_id.to_bytes(32, "big"))
    ]


async def _sender(rpc: Caller, tx_hash: str) -> Address:
    method = "eth_getTransactionByHash"
    told = await rpc.call_as(_Sent, method, tx_hash)
    return Address(data(told.sender, 20, method=method))


async def _calls(rpc: Caller, vault: Address, lane: int, first: int, last: int) -> list[Hash]:
    asked = {
        "address": "0x" + vault.hex(), "fromBlock": quantity(first), "toBlock": quantity(last),
        "topics": ["0x" + BATCH_PAID.hex(), "0x" + lane.to_bytes(32, "big").hex()],
    }  # fmt: skip
    told = await rpc.call_as(list[_Place], "eth_getLogs", asked)
    return [Hash(data(each.transactionHash, 32, method="eth_getLogs")) for each in told]


async def _read(rpc: Caller, vault: Address, lane: int, tx_hash: Hash) -> Executed:
    method = "eth_getTransactionByHash"
    told = await rpc.call_as(_Call, method, "0x" + tx_hash.hex())
    fees = Fees(
        *(number(word, method=method) for word in (told.maxFeePerGas, told.maxPriorityFeePerGas, told.gas))
    )
    call = layout.read_calldata(data(told.input, method=method))
    [receipt] = await receipts.of(rpc, [tx_hash])
    if receipt is None:
        raise WrongShape(
            method=receipts.METHOD, why=f"no receipt of 0x{tx_hash.hex()}, of which a log was shown"
        )
    receipt = await block_receipts.proven(rpc, receipt, fees)
    events = [e for e in vault_events.facts(vault, receipt.logs).batches if e.lane == lane]
    if len(events) != 1 or call is None or call.next_head() != events[0].head:
        raise Halted(f"0x{tx_hash.hex()} is no plain call of the vault's pay; a person has to read it")
    return Executed(call, events[0], receipt, _paid(vault, call, events[0], receipt))


def _paid(vault: Address, call: layout.Batch, event: BatchPaid, receipt: Receipt) -> Mapping[int, Transfer]:
    """Each paid bit with its Transfer, the k-th with the k-th."""
    due = {index: (to, amount) for index, amount, to in map(layout.unpack_item, call.items)}
    moved: Sequence[Transfer] = [
        t for t in transfers(receipt.logs)[0] if (t.token, t.src) == (call.token, vault)
    ]
    indexes = layout.paid_indexes(event.attempted, event.refused)
    if [due[index] for index in indexes] != [(move.dst, move.amount) for move in moved]:
        raise Halted(f"transfers of 0x{receipt.tx_hash.hex()} are not those the vault speaks of")
    return dict(zip(indexes, moved, strict=True))
