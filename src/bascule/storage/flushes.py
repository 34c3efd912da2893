"""Rows of flushes: which deposit addresses one call empties, and what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bascule.domain.chain import Address, ChainId
from bascule.domain.errors import Halted
from bascule.domain.flush import FLUSH, FlushEvent, FlushState, ItemOutcome, Lying
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row
from bascule.storage.slots import Slot

Q = Queries("flushes")


@dataclass(frozen=True, slots=True)
class Flush:
    """A request, or the slot it became. wallet, nonce: once a slot carries it."""

    id: str
    chain_id: ChainId
    token_id: str
    factory: Address
    collector: Address
    state: FlushState
    wallet: Address | None
    nonce: int | None
    created_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class FlushItem:
    """One address, clone number n of an epoch. amount, moved: base units; why: the token's refusal."""

    address: Address
    amount: int
    outcome: ItemOutcome
    moved: int | None
    why: str | None
    epoch: int
    n: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What became of an address."""

    outcome: ItemOutcome
    moved: int | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """An open address now. lies: final money is there; held: some of it must stay."""

    lies: bool
    held: bool


async def serialize(conn: Connection, chain_id: ChainId) -> None:
    """Whoever else plans on the chain waits until the transaction ends."""
    await Q.run(conn, "serialize", chain_id=chain_id)


async def lying(
    conn: Connection, chain_id: ChainId, factory: Address, token_id: str, tried_since: datetime
) -> list[Lying]:
    """What may be flushed of a token, the oldest first.

    tried_since: an address that was tried in vain after that is left out.
    """
    rows = await Q.all(
        conn, "lying", chain_id=chain_id, factory=factory, token_id=token_id, tried_since=tried_since
    )
    return [Lying(row["address"], int(row["amount"]), row["since"], row["deployed"]) for row in rows]


async def insert(
    conn: Connection,
    id: str,
    *,
    chain_id: ChainId,
    token_id: str,
    factory: Address,
    collector: Address,
    items: Sequence[Lying],
    created_at: datetime,
) -> None:
    """A request for these addresses; each of them must be in no other open one."""
    await Q.run(
        conn, "insert", id=id, chain_id=chain_id, token_id=token_id, factory=factory, collector=collector,
        created_at=created_at,
    )  # fmt: skip
    await Q.run(
        conn, "insert_items", flush_id=id, chain_id=chain_id, token_id=token_id,
        addresses=[item.address for item in items], amounts=[Decimal(item.amount) for item in items],
    )  # fmt: skip


async def oldest_requested(conn: Connection, chain_id: ChainId) -> str | None:
    """The id of the request whose turn it is."""
    found: str | None = await Q.scalar(conn, "oldest_requested", chain_id=chain_id)
    return found


async def get(conn: Connection, id: str) -> Flush | None:
    """One flush, if there is one of that id."""
    row = await Q.maybe(conn, "get", id=id)
    return None if row is None else _flush(row)


async def lock(conn: Connection, id: str) -> Flush:
    """One flush, locked until the transaction ends."""
    return _flush(await Q.one(conn, "lock", id=id))


async def of_slot(conn: Connection, slot: Slot) -> Flush:
    """The flush that a slot carries. Raises: Halted when it carries none."""
    row = await Q.maybe(conn, "of_slot", **slot.key)
    if row is None:
        raise Halted(f"slot {slot.nonce} of 0x{slot.wallet.hex()} carries no flush")
    return _flush(row)


async def items(conn: Connection, flush_id: str) -> list[FlushItem]:
    """The addresses of a flush, in the order of their numbers."""
    return [
        FlushItem(
            row["address"],
            int(row["amount"]),
            ItemOutcome(row["outcome"]),
            None if row["moved"] is None else int(row["moved"]),
            row["why"],
            row["epoch"],
            row["n"],
        )
        for row in await Q.all(conn, "items", flush_id=flush_id)
    ]


async def standing(conn: Connection, flush_id: str) -> dict[Address, Standing]:
    """How each open address of a flush stands now."""
    rows = await Q.all(conn, "standing", flush_id=flush_id)
    return {row["address"]: Standing(row["lies"], row["held"]) for row in rows}


async def decide(
    conn: Connection, flush_id: str, decisions: Mapping[Address, Decision], at: datetime
) -> None:  # fmt: skip
    """What became of open addresses; Halted when that was said of one before."""
    decided = await Q.run(
        conn,
        "decide",
        flush_id=flush_id,
        at=at,
        addresses=list(decisions),
        outcomes=[decision.outcome.value for decision in decisions.values()],
        moved=[None if d.moved is None else Decimal(d.moved) for d in decisions.values()],
        why=[decision.why for decision in decisions.values()],
    )
    if decided != len(decisions):
        raise Halted(f"addresses of flush {flush_id} were decided before")


async def advance_reserve(conn: Connection, flush: Flush, wallet: Address, nonce: int) -> None:
    """The slot of that nonce carries the locked flush from now on."""
    FLUSH.step(flush.state, FlushEvent.RESERVE)
    if await Q.run(conn, "advance_reserve", id=flush.id, wallet=wallet, nonce=nonce) != 1:
        raise Halted(f"flush {flush.id} is not {flush.state} under its own lock")


async def advance_end(conn: Connection, flush: Flush, event: FlushEvent, at: datetime) -> FlushState:
    """Ends a locked flush."""
    to = FLUSH.step(flush.state, event)
    if await Q.run(conn, "advance_end", id=flush.id, from_=flush.state, to=to, at=at) != 1:
        raise Halted(f"flush {flush.id} is not {flush.state} under its own lock")
    return to


def _flush(row: Row) -> Flush:
    return Flush(**{**row, "state": FlushState(row["state"])})
