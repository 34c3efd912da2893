"""Epochs of deposit addresses: which one is issued from, and what is watched of those before."""

from dataclasses import dataclass, field
from datetime import datetime

from bascule.storage.addresses import DepositAddress
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("address_epochs")


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch. known: the newest one the restored database knew; first_n, gap: numbers watched behind it.

    checked: all of that is stored; same_server: the database is where the epoch began; server: which one it
    is now; flushed: bytes of its log that are on disk, which only grow.
    """

    epoch: int
    known: int
    first_n: int
    gap: int
    checked: bool
    same_server: bool
    server: str = field(compare=False)
    flushed: int = field(compare=False)


@dataclass(frozen=True, slots=True)
class Restored:
    """The last restore that shows. checked_at: when the check after it ended; None while none has."""

    checked_at: datetime | None


async def restored(conn: Connection) -> Restored | None:
    """The last restore of this database, as far as rows and server show it; None for none."""
    row = await _Q.maybe(conn, "restored")
    return None if row is None else Restored(**row)


async def current(conn: Connection) -> Epoch:
    """The epoch of the addresses that are made now."""
    return Epoch(**await _Q.one(conn, "current"))


async def lock(conn: Connection) -> None:
    """Keeps other restore checks out until the transaction ends."""
    await _Q.all(conn, "lock")


async def next_number(conn: Connection) -> int:
    """The number that the next address will have."""
    return int(await _Q.scalar(conn, "next_number"))


async def newest_address(conn: Connection) -> DepositAddress | None:
    """The address made last for an intent."""
    row = await _Q.maybe(conn, "newest_address")
    return None if row is None else DepositAddress(**row)


async def begin(conn: Connection, epoch: int, *, known: int, first_n: int, gap: int) -> None:
    """A new epoch, from which nothing is issued yet."""
    await _Q.run(conn, "begin", epoch=epoch, known=known, first_n=first_n, gap=gap)


async def finish(conn: Connection, epoch: int) -> None:
    """Everything of the epochs before is watched: addresses may be issued."""
    await _Q.run(conn, "finish", epoch=epoch)


async def adopt(conn: Connection) -> None:
    """Lets the epoch go on at a server with another identity."""
    await _Q.run(conn, "adopt")
