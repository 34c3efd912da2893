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


@dataclass(frozen=True, slots=True)
class Genesis:
    """Whose approvers are obeyed first, and the vault in whose domain rosters are signed."""

    account_id: str
    chain_id: int
    vault: Address


async def serialize(conn: Connection) -> None:
    """Every other change of rosters and limits waits until the transaction ends."""
    await Q.run(conn, "serialize")


async def begin(conn: Connection, genesis: Genesis) -> None:
    """Who is first (the owner's login alone may); once it stands, another one changes nothing."""
    await Q.run(conn, "begin", account_id=genesis.account_id, chain_id=genesis.chain_id, vault=genesis.vault)


async def genesis(conn: Connection) -> Genesis | None:
    """Who is first; None before `begin`."""
    row = await Q.maybe(conn, "genesis")
    return None if row is None else Genesis(row["account_id"], row["chain_id"], Address(bytes(row["vault"])))


async def add(
    conn: Connection,
    account_id: str,
    *,
    version: int,
    threshold: int,
    members: Collection[Address],
    signatures: Sequence[str] = (),
) -> None:
    """Writes the next version; only the owner's login may without signatures.

    A threshold that cannot be met, or a version that is not the next, is our own mistake.
    """
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
