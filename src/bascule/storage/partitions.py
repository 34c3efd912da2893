"""Partitions of the journal's entries: without one for its number, no transaction can be booked."""

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("partitions")


async def extend_entries(conn: Connection) -> int:
    """How many partitions were made: 1 when the newest is half full, else 0. Nobody who posts waits for it.

    Raises: Retryable when a reader of catalogues holds it up for longer than the connection waits for locks.
    """
    return int(await _Q.scalar(conn, "extend_entries"))
