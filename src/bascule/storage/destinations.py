"""Rows of the address book: whom an account pays by name, since when, and who verified it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bascule.domain.chain import Address, ChainId, Hash
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

Q = Queries("destinations")


@dataclass(frozen=True, slots=True)
class NewDestination:
    """What an entry says for ever. maker: the person whose key added it."""

    id: str
    account_id: str
    livemode: bool
    chain_id: ChainId
    address: Address
    label: str
    created_by: str
    maker: Address | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Destination(NewDestination):
    """One entry as stored."""

    archived_at: datetime | None
    version: int
    verified_by: Address | None
    verified_at: datetime | None


async def insert(conn: Connection, new: NewDestination) -> Destination | None:
    """The new entry; None when the account has the address on that network already."""
    row = await Q.maybe(
        conn, "insert", **{name: getattr(new, name) for name in NewDestination.__slots__}
    )  # fmt: skip
    return _destination(row) if row else None


async def get(conn: Connection, destination_id: str) -> Destination | None:
    """One entry, archived or not."""
    row = await Q.maybe(conn, "get", id=destination_id)
    return _destination(row) if row else None


async def of_ids(conn: Connection, ids: Iterable[str]) -> dict[str, Destination]:
    """Several entries by id, archived or not; those that do not exist are missing."""
    return {row["id"]: _destination(row) for row in await Q.all(conn, "of_ids", ids=list(ids))}


async def of_addresses(
    conn: Connection, account_id: str, livemode: bool, chain_id: ChainId, addresses: Iterable[Address]
) -> dict[Address, Destination]:
    """The entries the account has now for these addresses."""
    rows = await Q.all(
        conn,
        "of_addresses",
        account_id=account_id,
        livemode=livemode,
        chain_id=chain_id,
        addresses=list(addresses),
    )
    return {entry.address: entry for entry in map(_destination, rows)}


async def archive(conn: Connection, destination_id: str, at: datetime) -> bool:
    """Takes an entry out of the book; False when it was out."""
    return await Q.run(conn, "archive", id=destination_id, at=at) == 1


async def verify(
    conn: Connection,
    destination_id: str,
    *,
    approver: Address,
    digest: Hash,
    signature: bytes,
    created_at: datetime,
) -> bool:
    """Keeps a verification; False when somebody was faster."""
    kept = await Q.run(
        conn,
        "verify",
        destination_id=destination_id,
        approver=approver,
        digest=digest,
        signature=signature,
        created_at=created_at,
    )
    return kept == 1


def _destination(row: Row) -> Destination:
    addresses = {
        name: None if row[name] is None else Address(bytes(row[name]))
        for name in ("address", "maker", "verified_by")
    }
    return Destination(**row | addresses)
