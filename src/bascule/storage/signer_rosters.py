"""Rows of the signer's own rosters: the only approvers whose signatures move money."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from bascule.domain.chain import Address
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

Q = Queries("signer_rosters")


@dataclass(frozen=True, slots=True)
class Roster:
    """One version: `threshold` different members must approve."""

    version: int
    threshold: int
    members: frozenset[Address]


async def add(
    conn: Connection,
    account_id: str,
    *,
    version: int,
    threshold: int,
    members: Collection[Address],
    signatures: Sequence[str] = (),
) -> None:
    """Writes a version (the owner's login alone may); a threshold that cannot be met is our own mistake."""
    assert 1 <= threshold <= len(set(members)), "a threshold that can be met"
    await Q.run(
        conn,
        "add",
        account_id=account_id,
        version=version,
        threshold=threshold,
        signatures=Jsonb(list(signatures)),
    )
    for address in sorted(set(members)):
        await Q.run(conn, "add_member", account_id=account_id, version=version, address=address)


async def current(conn: Connection, account_ids: Collection[str]) -> dict[str, Roster]:
    """The current roster of each account that has one."""
    rosters: dict[str, Roster] = {}
    for row in await Q.all(conn, "current", account_ids=list(account_ids)):
        known = rosters.get(row["account_id"])
        members = frozenset({Address(row["address"])}) | (known.members if known else frozenset())
        rosters[row["account_id"]] = Roster(row["version"], row["threshold"], members)
    return rosters
