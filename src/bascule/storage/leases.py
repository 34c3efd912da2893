"""Leases: who may write for a chain or a lane, by the database's clock and a fencing epoch.

A holder that was paused may still believe in its lease; `hold` inside each writing transaction refuses it.
"""

from dataclasses import dataclass

from bascule.domain.errors import Retryable
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_sql = Queries("leases")


class LeaseLost(Retryable):
    """Another holder has, or may have, taken over; nothing was written."""

    def __init__(self, *, name: str) -> None:
        super().__init__(f"the lease {name} is not ours any more")
        self.name = name


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it was claimed. epoch: grows with every new holder."""

    name: str
    holder: str
    epoch: int


async def claim(conn: Connection, name: str, holder: str, seconds: float) -> Lease | None:
    """Takes or renews the lease for `seconds` of database time; None while another holder has it.

    holder: unlike any other running instance's.
    """
    epoch = await _sql.scalar(conn, "claim", name=name, holder=holder, seconds=seconds)
    return None if epoch is None else Lease(name, holder, epoch)


async def lasts(conn: Connection, lease: Lease, seconds: float) -> bool:
    """Whether it is ours for so many seconds of database time yet; nothing keeps it so."""
    named = {"name": lease.name, "holder": lease.holder, "epoch": lease.epoch}
    return await _sql.maybe(conn, "lasts", **named, seconds=seconds) is not None


async def hold(conn: Connection, lease: Lease) -> None:
    """Returns when the lease is still ours, and keeps it so until the transaction ends. Raises: LeaseLost."""
    row = await _sql.maybe(conn, "hold", name=lease.name, holder=lease.holder, epoch=lease.epoch)
    if row is None:
        raise LeaseLost(name=lease.name)


async def release(conn: Connection, lease: Lease) -> None:
    """Gives the lease back, so that the next holder need not wait."""
    await _sql.run(conn, "release", name=lease.name, holder=lease.holder, epoch=lease.epoch)


async def every(conn: Connection) -> list[Row]:
    """All leases: name, holder, epoch, expires_at, live."""
    return await _sql.all(conn, "every")
