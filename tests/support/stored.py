"""What the watcher stored, judged by the chain's own word: plain SQL and plain JSON-RPC, no code of ours.

One oracle for every story of money in: `assert_stored_equals_chain`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, LiteralString

from bascule.storage.database import Database
from tests.support.chain import LocalNode

TRANSFER_TOPIC = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
# (block hash, log index, block number, transaction, token, src, dst, amount in base units, occurrence)
Row = tuple[bytes, int, int, bytes, bytes, bytes, bytes, int, int]


async def assert_stored_equals_chain(owner: Database, node: LocalNode, chain_id: int) -> None:
    """Returns when what is stored is the chain's, no more and no less; the watcher is at rest.

    Canonical transfers are exactly the logs up to the head that touch our addresses, with all they say; every
    canonical block up to the cursor is the chain's and links to the one before; what is final is proven.
    """
    await _assert_blocks_link(owner, node, chain_id)
    await _assert_final_is_proven(owner, chain_id)
    wrong = await _rows(
        owner,
        "SELECT t.tx_hash FROM transfers t JOIN blocks b ON b.chain_id = t.chain_id AND b.hash = t.block_hash"
        " WHERE t.canonical AND NOT b.canonical OR t.block_number <> b.number",
    )
    assert wrong == [], "a canonical transfer in an orphaned block"
    found = await stored_transfers(owner, chain_id)
    assert found == await transfers_to_us(owner, node)


async def stored_transfers(owner: Database, chain_id: int) -> list[Row]:
    """The canonical transfers in chain order, with all that is stored of them."""
    rows = await _rows(
        owner,
        "SELECT block_hash, log_index, block_number, tx_hash, token, src, dst, amount, occurrence"
        " FROM transfers WHERE canonical AND chain_id = %(chain_id)s ORDER BY block_number, log_index",
        {"chain_id": chain_id},
    )
    return [(*row[:7], int(row[7]), row[8]) for row in rows]


async def transfers_to_us(owner: Database, node: LocalNode) -> list[Row]:
    """What should be stored, from the chain's logs and our addresses; an own one counts after its opening."""
    since = dict(await _rows(owner, "SELECT address, block_number FROM openings"))
    since |= {row[0]: -1 for row in await _rows(owner, "SELECT address FROM deposit_addresses")}
    [(first,)] = await _rows(owner, "SELECT min(number) FROM blocks")
    asked = {"fromBlock": hex(first + 1), "toBlock": "latest", "topics": [TRANSFER_TOPIC]}
    twins: dict[tuple[str, ...], int] = {}
    expected: list[Row] = []
    for log in await node.rpc("eth_getLogs", asked):
        if not _moves_something(log):
            continue
        key = (log["transactionHash"], log["address"], log["topics"][2])
        occurrence = twins[key] = twins.get(key, -1) + 1
        src, dst = (bytes.fromhex(topic[26:]) for topic in log["topics"][1:3])
        number = int(log["blockNumber"], 16)
        if any(number > since.get(end, number) for end in (src, dst)):
            expected.append(
                (_raw(log["blockHash"]), int(log["logIndex"], 16), number, _raw(log["transactionHash"]),
                 _raw(log["address"]), src, dst, int(log["data"], 16), occurrence)
            )  # fmt: skip
    return expected


def _moves_something(log: Mapping[str, Any]) -> bool:
    """Whether a log with the Transfer topic is of ERC-20: two addresses indexed, and an amount above zero."""
    if len(log["topics"]) != 3 or len(log["data"]) != 66 or not int(log["data"], 16):
        return False
    return all(topic.startswith("0x" + 24 * "0") for topic in log["topics"][1:])


async def _assert_blocks_link(owner: Database, node: LocalNode, chain_id: int) -> None:
    ours = await _rows(
        owner,
        "SELECT number, hash, parent, extract(epoch FROM block_time)::bigint FROM blocks"
        " WHERE canonical AND chain_id = %(chain_id)s ORDER BY number",
        {"chain_id": chain_id},
    )
    theirs = await _blocks(node, [row[0] for row in ours])
    assert ours == [(n, _raw(b["hash"]), _raw(b["parentHash"]), int(b["timestamp"], 16)) for n, b in theirs]
    for below, above in pairwise(ours):
        assert (above[0], above[2]) == (below[0] + 1, below[1]), f"block {above[0]} stands on nothing of ours"
    [(next_number, last, final, final_hash)] = await _rows(
        owner,
        "SELECT next_number, last_hash, finalized_number, finalized_hash FROM cursors"
        " WHERE chain_id = %(chain_id)s",
        {"chain_id": chain_id},
    )
    assert (next_number - 1, last) == ours[-1][:2], "the cursor stands on the newest canonical block"
    assert final_hash in [row[1] for row in ours if row[0] == final]


async def _blocks(node: LocalNode, numbers: list[int]) -> list[tuple[int, dict[str, Any]]]:
    """The chain's blocks at these heights. Raises: AssertionError where it has none."""
    calls = [
        {"jsonrpc": "2.0", "id": at, "method": "eth_getBlockByNumber", "params": [hex(number), False]}
        for at, number in enumerate(numbers)
    ]
    told = {answer["id"]: answer["result"] for answer in await node.post(calls)}
    assert None not in told.values(), "a canonical block is above the chain's head"
    return [(number, told[at]) for at, number in enumerate(numbers)]


async def _assert_final_is_proven(owner: Database, chain_id: int) -> None:
    """Every block up to finality is proven, but for the first one; every final deposit is in such a block."""
    unproven = await _rows(
        owner,
        "SELECT b.number FROM blocks b JOIN cursors c USING (chain_id)"
        " WHERE b.canonical AND b.chain_id = %(chain_id)s AND b.number <= c.finalized_number"
        " AND b.number > (SELECT min(number) FROM blocks)"
        " AND b.verified NOT IN ('absent', 'receipts', 'quorum')",
        {"chain_id": chain_id},
    )
    assert unproven == [], "a final block that nothing proves"
    loose = await _rows(
        owner,
        "SELECT d.id FROM deposits d JOIN cursors c USING (chain_id)"
        " LEFT JOIN blocks b ON b.chain_id = d.chain_id AND b.hash = d.block_hash AND b.canonical"
        " WHERE d.state = 'finalized' AND (b.hash IS NULL OR b.number > c.finalized_number)",
    )
    assert loose == [], "a final deposit in a block that is not final"


async def _rows(
    owner: Database, statement: LiteralString, values: Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    async with owner.read() as conn:
        return await (await conn.execute(statement, values)).fetchall()


def _raw(value: str) -> bytes:
    return bytes.fromhex(value[2:])
