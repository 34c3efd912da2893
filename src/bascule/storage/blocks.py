"""The chain as we believe it: canonical blocks, orphaned blocks, and how far each chain was read."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from bascule.domain.chain import BlockRef, ChainId, Hash
from bascule.domain.errors import Halted, Retryable
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_sql = Queries("blocks")

Verified = Literal["none", "bloom", "absent", "receipts", "quorum"]


class CursorMoved(Retryable):
    """The cursor is not where it was read, or the chain was halted meanwhile; nothing was written."""

    def __init__(self, *, chain_id: ChainId) -> None:
        super().__init__(f"the cursor of chain {chain_id} was moved or halted meanwhile")
        self.chain_id = chain_id


class ChainHalted(Halted):
    """The chain was halted, and neither its final block nor an operator has settled that yet."""

    def __init__(self, *, chain_id: ChainId, reason: str) -> None:
        super().__init__(f"chain {chain_id} is halted, nothing is credited or paid on it: {reason}")
        self.chain_id = chain_id


@dataclass(frozen=True, slots=True)
class Read:
    """A block as it was read.

    verified: how its completeness is known: `bloom` (its logs add up to it; nothing final yet), `absent` (its
    bloom holds no Transfer), `receipts` (they add up to its root), `quorum` (nodes agree), `none`;
    digest: of all its transfers (`erc20.digest`), None where they were not read.
    """

    ref: BlockRef
    verified: Verified
    digest: Hash | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a chain was read: last_hash and head_time are those of block next_number - 1.

    halted_reason: set when something final changed; nothing is credited or paid on the chain then;
    disputed_number: the height whose hash was in dispute, None where no hash can settle it; halts: how often
    the chain was halted so far.
    """

    chain_id: ChainId
    next_number: int
    last_hash: Hash
    head_time: datetime
    finalized_number: int
    finalized_hash: Hash
    halted_reason: str | None
    disputed_number: int | None
    halts: int

    @property
    def last_number(self) -> int:
        """The newest block read."""
        return self.next_number - 1


@dataclass(frozen=True, slots=True)
class Told:
    """Why a chain is halted, if it is. version: grows with each halt, end of one and reorganisation."""

    halted_reason: str | None
    version: int


def moment(block: BlockRef) -> datetime:
    """The block's time, UTC."""
    return datetime.fromtimestamp(block.time, UTC)


async def record(conn: Connection, chain_id: ChainId, blocks: Sequence[Read]) -> None:
    """Stores blocks as canonical and as they were read now, also those that were orphaned before."""
    await _sql.run(
        conn,
        "record",
        chain_id=chain_id,
        hashes=[block.ref.hash for block in blocks],
        numbers=[block.ref.number for block in blocks],
        parents=[block.ref.parent for block in blocks],
        times=[moment(block.ref) for block in blocks],
        verified=[block.verified for block in blocks],
        digests=[block.digest for block in blocks],
    )


async def orphan_above(conn: Connection, chain_id: ChainId, number: int) -> int:
    """Marks the canonical blocks above a height as orphaned; how many."""
    return await _sql.run(conn, "orphan_above", chain_id=chain_id, number=number)


async def canonical_at(conn: Connection, chain_id: ChainId, number: int) -> BlockRef | None:
    """The canonical block at a height, if it was read."""
    row = await _sql.maybe(conn, "canonical_at", chain_id=chain_id, number=number)
    return None if row is None else BlockRef(**row)


async def first(conn: Connection, chain_id: int) -> int | None:
    """The number of the lowest canonical block; None when none was read."""
    found: int | None = await _sql.scalar(conn, "first", chain_id=chain_id)
    return found


async def last_before(conn: Connection, chain_id: ChainId, moment: datetime) -> int | None:
    """The number of the newest canonical block that is not later than a moment; None when none was read."""
    found: int | None = await _sql.scalar(
        conn, "last_before", chain_id=chain_id, moment=moment
    )  # fmt: skip
    return found


async def canonical_between(conn: Connection, chain_id: ChainId, first: int, last: int) -> list[Read]:
    """The canonical blocks from one height to another, the lowest first, as they were read."""
    rows = await _sql.all(conn, "canonical_between", chain_id=chain_id, first=first, last=last)
    return [Read(_ref(row), row["verified"], row["transfers_digest"]) for row in rows]


async def hold_cursor(conn: Connection, chain_id: ChainId) -> int:
    """The finalized height; no watcher moves the cursor before the transaction ends. Raises: CursorMoved
    when the chain is halted.
    """
    row = await _sql.maybe(conn, "hold_cursor", chain_id=chain_id)
    if row is None:
        raise CursorMoved(chain_id=chain_id)
    return int(row["finalized_number"])


async def unproven(conn: Connection, chain_id: ChainId, most: int) -> list[Read]:
    """The lowest `most` canonical blocks above the finalized one that nothing proves complete yet."""
    rows = await _sql.all(conn, "unproven", chain_id=chain_id, most=most)
    return [Read(_ref(row), "bloom", row["transfers_digest"]) for row in rows]


async def prove(conn: Connection, chain_id: ChainId, hashes: Sequence[Hash], verified: Verified) -> None:
    """Marks canonical blocks as proven in one way."""
    await _sql.run(conn, "prove", chain_id=chain_id, hashes=list(hashes), verified=verified)


async def cursor(conn: Connection, chain_id: ChainId) -> Cursor | None:
    """How far the chain was read; None before its first block."""
    row = await _sql.maybe(conn, "cursor", chain_id=chain_id)
    return None if row is None else _cursor(row)


async def cursors(conn: Connection) -> list[Cursor]:
    """How far each chain was read."""
    return [_cursor(row) for row in await _sql.all(conn, "cursors")]


def require_running(cursor: Cursor | None) -> None:
    """Returns unless the chain is halted. Raises: ChainHalted."""
    if cursor is not None and cursor.halted_reason is not None:
        raise ChainHalted(chain_id=cursor.chain_id, reason=cursor.halted_reason)


async def start_cursor(conn: Connection, chain_id: ChainId, block: BlockRef) -> None:
    """Begins a chain behind `block`, which is final."""
    await _sql.run(
        conn,
        "start_cursor",
        chain_id=chain_id,
        number=block.number,
        hash=block.hash,
        head_time=moment(block),
    )


async def move_cursor(conn: Connection, before: Cursor, last: BlockRef) -> None:
    """Moves the cursor behind `last`. Raises: CursorMoved unless it stands where `before` says."""
    changed = await _sql.run(
        conn,
        "move_cursor",
        chain_id=before.chain_id,
        expected_hash=before.last_hash,
        next_number=last.number + 1,
        last_hash=last.hash,
        head_time=moment(last),
    )
    if changed != 1:
        raise CursorMoved(chain_id=before.chain_id)


async def finalize(conn: Connection, before: Cursor, block: BlockRef) -> None:
    """Raises the finalized height to `block`. Raises: CursorMoved unless it is canonical and proven."""
    changed = await _sql.run(
        conn,
        "finalize",
        chain_id=before.chain_id,
        expected_number=before.finalized_number,
        number=block.number,
        hash=block.hash,
    )
    if changed != 1:
        raise CursorMoved(chain_id=before.chain_id)


async def halt(conn: Connection, chain_id: ChainId, reason: str, disputed: int | None) -> bool:
    """Halts the chain for a reason that stays until it is resumed; False: it was halted before.

    disputed: the height whose hash is in dispute.
    """
    return await _sql.run(conn, "halt", chain_id=chain_id, reason=reason, disputed=disputed) == 1


async def resume(conn: Connection, halted: Cursor) -> bool:
    """Lifts the halt that `halted` shows; False when it was lifted meanwhile, perhaps for another."""
    return await _sql.run(conn, "resume", chain_id=halted.chain_id, halts=halted.halts) == 1


async def count_reorg(conn: Connection, chain_id: ChainId) -> None:
    """One more reorganisation was read."""
    await _sql.run(conn, "count_reorg", chain_id=chain_id)


async def told(conn: Connection, chain_id: ChainId) -> Told:
    """What the operator is told of a chain now."""
    return Told(**await _sql.one(conn, "told", chain_id=chain_id))


def _ref(row: Row) -> BlockRef:
    return BlockRef(row["number"], row["hash"], row["parent"], row["time"])


def _cursor(row: Row) -> Cursor:
    return Cursor(**row)
