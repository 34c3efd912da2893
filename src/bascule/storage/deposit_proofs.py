"""What proves deposits and payouts: a row for each receipt that holds some, or each block agreed on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bascule.domain.chain import ChainId, Hash
from bascule.storage.arrays import bytes_, texts
from bascule.storage.blocks import Verified
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_sql = Queries("deposit_proofs")

EVERY_LOG = (0, 2**31 - 1)


@dataclass(frozen=True, slots=True)
class Kept:
    """What stands for the logs first_log..last_log of a block.

    proof: JSON text of a receipt's proof; agreement: digest of the block's transfers; one of them is None.
    """

    block_hash: Hash
    first_log: int
    last_log: int
    proof: str | None = None
    agreement: Hash | None = None


@dataclass(frozen=True, slots=True)
class Lacking:
    """A deposit's place whose evidence is not kept yet, and how its block was proven."""

    block_hash: Hash
    log_index: int
    verified: Verified
    transfers_digest: Hash | None


@dataclass(frozen=True, slots=True)
class Found:
    """What proves one final deposit. finality: the policy, in a word."""

    verified: Literal["receipts", "quorum"]
    proof: dict[str, Any] | None
    agreement: Hash | None
    nodes: list[str]
    proven_at: datetime
    first_log: int
    finality: str


async def record(
    conn: Connection, chain_id: ChainId, kept: Sequence[Kept], nodes: Sequence[str], now: datetime
) -> None:
    """Keeps proofs, or agreements; never changes one. nodes: who was asked."""
    for verified, rows in (
        ("receipts", [row for row in kept if row.agreement is None]),
        ("quorum", [row for row in kept if row.agreement is not None]),
    ):
        if rows:
            await _sql.run(
                conn,
                "record",
                chain_id=chain_id,
                verified=verified,
                nodes=list(nodes),
                now=now,
                block_hashes=[row.block_hash for row in rows],
                first_logs=[row.first_log for row in rows],
                last_logs=[row.last_log for row in rows],
                proofs=[row.proof for row in rows],
                agreements=[row.agreement for row in rows],
            )


async def missing_in(
    conn: Connection, chain_id: ChainId, block_hashes: Sequence[Hash]
) -> dict[Hash, list[int]]:
    """The log indexes of deposits without evidence, by their block, in these blocks."""
    missing: dict[Hash, list[int]] = {}
    rows = await _sql.all(conn, "missing_in", chain_id=chain_id, block_hashes=bytes_(block_hashes))
    for row in rows:
        missing.setdefault(row["block_hash"], []).append(row["log_index"])
    return missing


async def missing_upto(conn: Connection, chain_id: ChainId, number: int, most: int) -> list[Lacking]:
    """The deposits without evidence that become final with a height, of at most `most` blocks, the lowest."""
    rows = await _sql.all(conn, "missing_upto", chain_id=chain_id, number=number, most=most)
    return [Lacking(**row) for row in rows]


async def count_missing(conn: Connection, ids: Sequence[str]) -> int:
    """How many of these deposits have no evidence."""
    count: int = await _sql.scalar(conn, "count_missing", ids=texts(ids))
    return count


async def of_deposit(conn: Connection, deposit_id: str) -> Found | None:
    """What proves a deposit; None before it is final, and for one of before evidence was kept."""
    row = await _sql.maybe(conn, "of_deposit", deposit_id=deposit_id)
    return None if row is None else Found(**row)


async def of_log(
    conn: Connection, chain_id: ChainId, block_hash: Hash, log_index: int
) -> tuple[dict[str, Any], list[str], datetime] | None:
    """The proof of the receipt that holds a log, who was asked for it, and when; None where none is kept."""
    row = await _sql.maybe(conn, "of_log", chain_id=chain_id, block_hash=block_hash, log_index=log_index)
    return None if row is None else (row["proof"], row["nodes"], row["proven_at"])
