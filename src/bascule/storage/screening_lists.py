"""Versions of sanctions lists; the newest of each name is in force, the others stay as they were."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bascule.domain.chain import Address, Hash
from bascule.storage.arrays import bytes_, texts
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("screening_lists")


@dataclass(frozen=True, slots=True)
class Version:
    """A list as it was imported once. digest: SHA-256 of its file; entries: how many are on it."""

    id: str
    name: str
    version: int
    digest: Hash
    entries: int
    added: int
    removed: int
    imported_by: str
    created_at: datetime
    rescreened_at: datetime | None


async def serialize(conn: Connection) -> None:
    """Nobody else imports until the transaction ends."""
    await _Q.scalar(conn, "serialize")


async def look(conn: Connection) -> None:
    """The lists stay as they are until the transaction ends. Taken before deposits and payouts are held."""
    await _Q.scalar(conn, "look")


async def come_into_force(conn: Connection) -> None:
    """Whoever decided by older lists has committed, and nobody decides until the transaction ends."""
    await _Q.scalar(conn, "come_into_force")


async def newest(conn: Connection, name: str) -> Version | None:
    """The version of a list that is in force."""
    row = await _Q.maybe(conn, "newest", name=name)
    return None if row is None else _version(row)


async def several(conn: Connection, ids: Sequence[str]) -> list[Version]:
    """These versions, in the order of `ids`."""
    found = {row["id"]: _version(row) for row in await _Q.all(conn, "several", ids=texts(ids))}
    return [found[id] for id in ids if id in found]


async def every(conn: Connection) -> list[Version]:
    """All versions of all lists, the newest of each first."""
    return [_version(row) for row in await _Q.all(conn, "every")]


async def entries(conn: Connection, name: str, version: int) -> dict[Address, str]:
    """Who stands on a version of a list, and what it says of them."""
    rows = await _Q.all(conn, "entries", name=name, version=version)
    return {Address(bytes(row["address"])): row["reference"] for row in rows}


async def insert(
    conn: Connection,
    new: Version,
    added: Mapping[Address, str],
    removed: Collection[Address],
) -> Version:
    """Stores a version and what it changes; the stored one."""
    row = await _Q.one(
        conn, "insert", name=new.name, version=new.version, digest=new.digest, entries=new.entries,
        added=new.added, removed=new.removed, imported_by=new.imported_by, created_at=new.created_at,
    )  # fmt: skip
    await _Q.run(conn, "end_entries", name=new.name, version=new.version, addresses=bytes_(removed))
    await _Q.run(
        conn,
        "insert_entries",
        name=new.name,
        version=new.version,
        addresses=bytes_(added),
        references=texts(added.values()),
    )
    return _version(row)


async def to_rescreen(conn: Connection) -> bool:
    """Whether there is a version that what waits was not held against yet."""
    return bool(await _Q.scalar(conn, "to_rescreen"))


async def rescreened(conn: Connection, at: datetime) -> None:
    """What waits was held against all versions there are."""
    await _Q.run(conn, "rescreened", at=at)


def _version(row: Row) -> Version:
    return Version(**{**row, "digest": Hash(bytes(row["digest"]))})
