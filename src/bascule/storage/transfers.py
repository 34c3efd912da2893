"""ERC-20 transfers that touch addresses of ours, in and out, kept for ever with the block they were in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

from bascule.domain.chain import Address, BlockRef, ChainId, Hash
from bascule.storage.arrays import bytes_, numbers, texts
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_sql = Queries("transfers")


@dataclass(frozen=True, slots=True)
class Transfer:
    """One Transfer log in its block. amount: base units.

    occurrence: how many transfers of the same transaction, token and dst precede it.
    """

    block_hash: Hash
    log_index: int
    block_number: int
    tx_hash: Hash
    token: Address
    src: Address
    dst: Address
    amount: int
    occurrence: int


class Recorded(NamedTuple):
    """How many transfers touch our addresses, and how many others are of accepted tokens."""

    ours: int
    seen: int


class Late(NamedTuple):
    """What was seen before its address was stored. blocks: of what came from outside; since: the addresses to
    look at next time; waiting: (block hash, log index) of what we sent there ourselves, final and not booked
    as it lies yet, to look at then too; internal: those to book; found: (token id, block hash, log index) of
    those that are booked as money that left us.
    """

    blocks: list[Hash]
    since: int
    waiting: list[tuple[Hash, int]]
    internal: list[tuple[Hash, int]]
    found: list[tuple[str, Hash, int]]


async def record(
    conn: Connection, chain_id: ChainId, transfers: Sequence[Transfer], *, seen_blocks: int = 4_096
) -> Recorded:
    """Stores as canonical those that touch our addresses, and apart, for a while, others of accepted tokens.

    Once in a transaction. seen_blocks: how many heights a partition of the latter is for; the final ones go,
    one partition late.
    """
    if not transfers:
        return Recorded(0, 0)
    heights = [transfer.block_number for transfer in transfers]
    await _sql.run(
        conn, "keep_seen", chain_id=chain_id, lowest=min(heights), highest=max(heights), width=seen_blocks
    )
    await _sql.run(conn, "make_arriving")
    await _sql.copy(conn, "copy_arriving", "".join(map(_line, transfers)))
    return Recorded(**await _sql.one(conn, "part", chain_id=chain_id))


async def record_late(
    conn: Connection, chain_id: ChainId, since: int, waiting: Sequence[tuple[Hash, int]] = ()
) -> Late:
    """Stores what was seen before the deposit address it went to: those of addresses stored `since`.

    since, waiting: as the last `Late` says, so that each address is looked at once; 0: all addresses.
    """
    row = await _sql.one(
        conn,
        "record_late",
        chain_id=chain_id,
        since=since,
        waiting_in=bytes_([block for block, _ in waiting]),
        waiting_at=numbers(log_index for _, log_index in waiting),
    )
    found = zip(row["found_token"] or [], _places(row, "found"), strict=True)
    return Late(
        blocks=[Hash(block) for block in row["blocks"] or []],
        since=row["since"],
        waiting=_places(row, "waiting"),
        internal=_places(row, "moved"),
        found=[(token_id, *place) for token_id, place in found],
    )


async def record_coin(
    conn: Connection, chain_id: ChainId, block: BlockRef, arrived: Mapping[Address, int]
) -> None:
    """Stores native coin that arrived, in wei, as canonical transfers of a final block; once per block.

    They have no log: token, sender and transaction are zero.
    """
    await _sql.run(
        conn,
        "record_coin",
        chain_id=chain_id,
        block_hash=block.hash,
        block_number=block.number,
        addresses=list(arrived),
        amounts=[Decimal(amount) for amount in arrived.values()],
    )


async def orphan_above(conn: Connection, chain_id: ChainId, number: int) -> int:
    """Marks the canonical transfers above a height as orphaned; how many that touch our addresses."""
    await _sql.run(conn, "orphan_seen_above", chain_id=chain_id, number=number)
    return await _sql.run(conn, "orphan_above", chain_id=chain_id, number=number)


async def internal_between(
    conn: Connection, chain_id: ChainId, after: int, upto: int, final: Sequence[str] = ()
) -> list[tuple[Hash, int]]:
    """(block hash, log index) of transfers of booked tokens among our addresses, blocks after + 1 … upto.

    final: deposits that became so just now; what moved since the earliest of them is looked for too.
    """
    rows = await _sql.all(
        conn, "internal_between", chain_id=chain_id, after=after, upto=upto, final=texts(final)
    )
    return [(row["block_hash"], row["log_index"]) for row in rows]


class Outflow(NamedTuple):
    """A transfer from us to somebody else, in no transaction that we signed. amount: base units.

    to_source: to a registered source of capital; held: from a deposit address into which not all is booked.
    """

    block_hash: Hash
    log_index: int
    block_number: int
    tx_hash: Hash
    src: Address
    dst: Address
    amount: int
    token_id: str
    to_source: bool
    held: bool


async def outflows_between(conn: Connection, chain_id: ChainId, after: int, upto: int) -> list[Outflow]:
    """What left own addresses in blocks after + 1 … upto and is not booked, in chain order."""
    stretch: dict[str, object] = {"chain_id": chain_id, "after": after, "upto": upto}
    if not (await _sql.one(conn, "leaves", **stretch))["leaves"]:
        return []
    rows = await _sql.all(conn, "outflows_between", **stretch)
    return [Outflow(**row | {"amount": int(row["amount"])}) for row in rows]


async def canonical(conn: Connection, chain_id: ChainId) -> list[Transfer]:
    """All canonical transfers of a chain, in chain order."""
    return [_transfer(row) for row in await _sql.all(conn, "canonical", chain_id=chain_id)]


async def of_blocks(conn: Connection, chain_id: ChainId, block_hashes: Sequence[Hash]) -> list[Transfer]:
    """The canonical transfers of some blocks that touch our addresses, in chain order."""
    rows = await _sql.all(conn, "of_blocks", chain_id=chain_id, block_hashes=bytes_(block_hashes))
    return [_transfer(row) for row in rows]


async def add_missing(conn: Connection, chain_id: ChainId, told: Sequence[Transfer]) -> list[Transfer]:
    """Stores as canonical those that touch our addresses and were not stored; returns these."""
    rows = await _sql.all(
        conn,
        "add_missing",
        chain_id=chain_id,
        block_hashes=[t.block_hash for t in told],
        log_indexes=[t.log_index for t in told],
        heights=[t.block_number for t in told],
        tx_hashes=[t.tx_hash for t in told],
        contracts=[t.token for t in told],
        srcs=[t.src for t in told],
        dsts=[t.dst for t in told],
        amounts=[Decimal(t.amount) for t in told],
        occurrences=[t.occurrence for t in told],
    )
    return [_transfer(row) for row in rows]


async def of_tx(conn: Connection, chain_id: ChainId, tx_hash: Hash) -> list[Transfer]:
    """The canonical transfers of one transaction that touch our addresses, by log index."""
    return [_transfer(row) for row in await _sql.all(conn, "of_tx", chain_id=chain_id, tx_hash=tx_hash)]


def _places(row: Row, what: str) -> list[tuple[Hash, int]]:
    blocks, indexes = row[f"{what}_in"] or [], row[f"{what}_at"] or []
    return [(Hash(block), index) for block, index in zip(blocks, indexes, strict=True)]


def _line(t: Transfer) -> str:
    """A row for COPY, in its text format: the fastest to write, and read in no time to speak of."""
    return (
        f"{t.block_number}\t\\\\x{t.block_hash.hex()}\t{t.log_index}\t\\\\x{t.tx_hash.hex()}\t\\\\x{t.token.hex()}"
        f"\t\\\\x{t.src.hex()}\t\\\\x{t.dst.hex()}\t{t.amount}\t{t.occurrence}\n"
    )


def _transfer(row: Row) -> Transfer:
    values: dict[str, Any] = {name: row[name] for name in Transfer.__slots__}
    return Transfer(**values | {"amount": int(row["amount"])})


@dataclass(frozen=True, slots=True)
class Touched:
    """What a stretch of blocks logged to and from an address of ours, in one token. logged: in minus out.

    fresh: a deposit address that nothing had come to before.
    """

    token_id: str
    token: Address
    address: Address
    logged: int
    fresh: bool


async def touched(conn: Connection, chain_id: ChainId, after: int, upto: int) -> list[Touched]:
    """Every address of ours that accepted tokens moved in blocks after + 1 … upto, by token."""
    rows = await _sql.all(conn, "touched", chain_id=chain_id, after=after, upto=upto)
    return [Touched(**{**row, "logged": int(row["logged"])}) for row in rows]


async def touched_late(conn: Connection, chain_id: ChainId, upto: int) -> tuple[int, list[Touched]]:
    """As `touched`, of deposits in final blocks that wait to be booked; and the height below the lowest."""
    rows = await _sql.all(conn, "touched_late", chain_id=chain_id, upto=upto)
    after = min((row.pop("after") for row in rows), default=upto)
    return after, [Touched(**{**row, "logged": int(row["logged"])}) for row in rows]
