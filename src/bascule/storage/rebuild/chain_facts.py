"""What a chain tells, put where the posting functions read it; our own rows of it stay outside."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bascule.domain.chain import Address, BlockRef, ChainId, Hash
from bascule.domain.fees import Fees
from bascule.storage.blocks import moment
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("chain_facts", package=__package__)


@dataclass(frozen=True, slots=True)
class Stretch:
    """The blocks of a chain that our books are about: the first one read, and the last one that is final."""

    chain_id: ChainId
    name: str
    first: int
    last: int
    last_hash: Hash


@dataclass(frozen=True, slots=True)
class Signed:
    """A transaction of ours, and what it offered for gas."""

    tx_hash: Hash
    fees: Fees


@dataclass(frozen=True, slots=True)
class Opened:
    """What an address of ours held when we began to watch it, at the end of a block, as our rows say."""

    id: str
    address: Address
    token: Address
    number: int
    amount: int


async def stretches(live: Connection) -> list[Stretch]:
    """Of our own database: what there is to read of each chain, in order of chains."""
    rows = await _Q.all(live, "stretches")
    return [
        Stretch(ChainId(row["chain_id"]), row["name"], row["first"], row["last"], Hash(row["last_hash"]))
        for row in rows
    ]


async def prepare(conn: Connection) -> None:
    """No chain is halted here, and tokens that were booked are accepted: what is final is judged."""
    for step in ("make_mined", "make_batched", "make_withdrawn", "withdraw", "accept", "run_on"):
        await _Q.run(conn, step)


async def keep_blocks(conn: Connection, chain_id: ChainId, blocks: Sequence[BlockRef]) -> None:
    """These blocks, with their times."""
    await _Q.run(
        conn, "keep_blocks", chain_id=chain_id,
        hashes=[b.hash for b in blocks], numbers=[b.number for b in blocks],
        parents=[b.parent for b in blocks], times=[moment(b) for b in blocks],
    )  # fmt: skip


async def openings(conn: Connection, chain_id: ChainId) -> list[Opened]:
    """First balances that were not 0, by our rows, in their order."""
    return [
        Opened(
            row["id"], Address(row["address"]), Address(row["token"]), row["block_number"], int(row["amount"])
        )
        for row in await _Q.all(conn, "openings", chain_id=chain_id)
    ]  # fmt: skip


async def correct_opening(conn: Connection, opening: Opened, amount: int) -> None:
    """What the chain says that it was."""
    await _Q.run(conn, "correct_opening", id=opening.id, amount=Decimal(amount))


async def signed_after(conn: Connection, chain_id: ChainId, after: bytes, most: int) -> list[Signed]:
    """The next transactions of ours by hash, whatever our rows say became of them."""
    return [
        Signed(
            Hash(row["tx_hash"]),
            Fees(int(row["max_fee_per_gas"]), int(row["max_priority_fee_per_gas"]), row["gas"]),
        )
        for row in await _Q.all(conn, "signed_after", chain_id=chain_id, after=after, most=most)
    ]


async def record_mined(
    conn: Connection, chain_id: ChainId, tx_hash: Hash, block_hash: Hash, number: int, fee_paid: int
) -> None:
    """A transaction of ours is in a final block, and cost so much. fee_paid: wei."""
    await _Q.run(
        conn, "record_mined", chain_id=chain_id, tx_hash=tx_hash, block_hash=block_hash, number=number,
        fee_paid=Decimal(fee_paid),
    )  # fmt: skip


async def record_batched(conn: Connection, chain_id: ChainId, places: Collection[tuple[Hash, int]]) -> None:
    """At these places (block hash, log index) a batch of a vault paid that our rows do not know."""
    for block_hash, log_index in places:
        await _Q.run(
            conn, "record_batched", chain_id=chain_id, block_hash=block_hash, log_index=log_index
        )  # fmt: skip


async def settle(conn: Connection) -> None:
    """Deposits are made of the chain's transfers, with names and decisions of our rows; costs of receipts."""
    await _Q.run(conn, "derive_deposits")
    await _Q.run(conn, "derive_applications")
    await _Q.run(conn, "undecided")
    await _Q.run(conn, "advance_attempts")
    await conn.execute("ANALYZE")


async def decide(conn: Connection, deposit_id: str) -> None:
    """What was decided about a deposit in the end holds from here on."""
    await _Q.run(conn, "advance_application", id=deposit_id)
