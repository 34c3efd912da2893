"""People of an account, and what their roles let the keys do that are theirs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("members")


@dataclass(frozen=True, slots=True)
class Member:
    """One person in one mode. approver: what they approve with, if they do."""

    id: str
    account_id: str
    livemode: bool
    email: str
    name: str
    roles: Sequence[str]
    approver: bytes | None
    created_at: datetime
    removed_at: datetime | None = None
    version: int = 1


async def insert(conn: Connection, member: Member) -> bool:
    """Keeps a new member; False when the account has somebody with the address already."""
    row = await _Q.maybe(
        conn,
        "insert",
        id=member.id,
        account_id=member.account_id,
        livemode=member.livemode,
        email=member.email,
        name=member.name,
        roles=list(member.roles),
        approver=member.approver,
        created_at=member.created_at,
    )
    return row is not None


async def lock(conn: Connection, id: str) -> Member | None:
    """The member, held until the transaction ends."""
    return _member(await _Q.maybe(conn, "lock", id=id))


async def lock_owners(conn: Connection, account_id: str, livemode: bool) -> list[str]:
    """The ids of the account's owners in this mode, all held until the transaction ends."""
    rows = await _Q.all(conn, "lock_owners", account_id=account_id, livemode=livemode)
    return [row["id"] for row in rows]


async def get_many(conn: Connection, ids: Sequence[str]) -> list[Member]:
    """These members, newest first."""
    return [Member(**row) for row in await _Q.all(conn, "of_ids", ids=list(ids))]


async def update(conn: Connection, id: str, *, name: str, roles: Sequence[str]) -> Member:
    """Changes what a member is called and may do."""
    return Member(**await _Q.one(conn, "update", id=id, name=name, roles=list(roles)))


async def remove(conn: Connection, id: str, at: datetime) -> None:
    """The member is one no more."""
    await _Q.run(conn, "remove", id=id, at=at)


def _member(row: Row | None) -> Member | None:
    return None if row is None else Member(**row)
