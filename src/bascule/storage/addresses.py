"""Addresses of ours: where money may come to, what they held at first, and who may send capital."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from bascule.domain.chain import Address, BlockRef, ChainId
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_sql = Queries("addresses")

OwnKind = Literal["vault", "collector", "wallet"]


@dataclass(frozen=True, slots=True)
class DepositAddress:
    """An address made for one intent: clone number `n` of epoch `epoch` of a factory."""

    chain_id: ChainId
    address: Address
    factory: Address
    epoch: int
    n: int


@dataclass(frozen=True, slots=True)
class Opening:
    """What an address held when we began to watch it. amount: base units; token zero: the native coin."""

    id: str
    address: Address
    token: Address
    amount: int


async def add_own(conn: Connection, chain_id: ChainId, address: Address, kind: OwnKind) -> None:
    """Registers an address we hold money at; once registered it stays what it is."""
    await _sql.run(conn, "add_own", chain_id=chain_id, address=address, kind=kind)


async def add_treasury_source(conn: Connection, chain_id: ChainId, address: Address, label: str = "") -> None:
    """Registers an outside address whose arrivals at vault or collector are capital."""
    await _sql.run(conn, "add_treasury_source", chain_id=chain_id, address=address, label=label)


async def treasury_sources(conn: Connection) -> list[Row]:
    """The outside addresses whose arrivals are capital: chain_id, name, address, label."""
    return await _sql.all(conn, "treasury_sources")


async def own(conn: Connection, chain_id: ChainId) -> dict[Address, OwnKind]:
    """Our own addresses on a chain, besides deposit addresses."""
    return {row["address"]: row["kind"] for row in await _sql.all(conn, "own", chain_id=chain_id)}


async def is_ours(conn: Connection, chain_id: ChainId, address: Address) -> bool:
    """Whether it is an own address, a deposit address or a token contract: nobody may be paid there."""
    return bool(await _sql.scalar(conn, "is_ours", chain_id=chain_id, address=address))


async def deposit_addresses_of(conn: Connection, intent_id: str) -> list[DepositAddress]:
    """The deposit addresses of an intent, by chain."""
    rows = await _sql.all(conn, "deposit_addresses_of", intent_id=intent_id)
    return [DepositAddress(**row) for row in rows]


async def deposit_address_at(conn: Connection, chain_id: ChainId, address: Address) -> DepositAddress | None:
    """The deposit address that stands there, if it is one of ours."""
    row = await _sql.maybe(conn, "deposit_address_at", chain_id=chain_id, address=address)
    return None if row is None else DepositAddress(**row)


async def first_deposit_address_at(conn: Connection, chain_id: ChainId) -> datetime | None:
    """When the first deposit address on the chain was made, by our clock."""
    made_at: datetime | None = await _sql.scalar(conn, "first_deposit_address_at", chain_id=chain_id)
    return made_at


async def to_open(conn: Connection, chain_id: ChainId) -> list[tuple[Address, Address]]:
    """The (address, token) pairs whose first balance is not recorded yet."""
    return [(row["address"], row["token"]) for row in await _sql.all(conn, "to_open", chain_id=chain_id)]


async def record_openings(
    conn: Connection, chain_id: ChainId, block: BlockRef, openings: Sequence[Opening]
) -> None:
    """Records what addresses held at the end of `block`; once only for each address and token."""
    await _sql.run(
        conn,
        "record_openings",
        chain_id=chain_id,
        block_number=block.number,
        block_hash=block.hash,
        ids=[opening.id for opening in openings],
        addresses=[opening.address for opening in openings],
        tokens=[opening.token for opening in openings],
        amounts=[Decimal(opening.amount) for opening in openings],
    )


async def openings_between(conn: Connection, chain_id: ChainId, after: int, upto: int) -> list[str]:
    """The ids of openings of more than nothing, taken in blocks after + 1 … upto."""
    rows = await _sql.all(conn, "openings_between", chain_id=chain_id, after=after, upto=upto)
    return [row["id"] for row in rows]
