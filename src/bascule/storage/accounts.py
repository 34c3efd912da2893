"""Whose money it is: the operator's (one per installation) or a merchant's."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bascule.domain.versions import API_VERSION
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("accounts")

Kind = Literal["operator", "merchant"]


@dataclass(frozen=True, slots=True)
class Account:
    """One account. test_version, live_version: of the API, what requests mean that name none."""

    id: str
    kind: Kind
    name: str
    created_at: datetime
    test_version: str = API_VERSION
    live_version: str = API_VERSION


async def create(conn: Connection, *, id: str, kind: Kind, name: str, created_at: datetime) -> Account:
    """A new account, pinned to the newest version of the API; needs the owner's login."""
    await _Q.run(conn, "insert", id=id, kind=kind, name=name, version=API_VERSION, created_at=created_at)
    return Account(id, kind, name, created_at)


async def get(conn: Connection, id: str) -> Account | None:
    """The account, if there is one."""
    return _account(await _Q.maybe(conn, "by_id", id=id))


async def pin(conn: Connection, id: str, version: str, *, livemode: bool) -> None:
    """What requests of this mode mean from now on when they name no version."""
    await _Q.run(conn, "pin_live" if livemode else "pin_test", id=id, version=version)


async def operator(conn: Connection) -> Account | None:
    """The operator's account, once the installation has one."""
    return _account(await _Q.maybe(conn, "operator"))


def _account(row: Row | None) -> Account | None:
    return None if row is None else Account(**row)
