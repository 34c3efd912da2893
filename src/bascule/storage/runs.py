"""Due runs of scheduled work: a row per name and time, so that N workers do each once."""

from __future__ import annotations

from datetime import datetime

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("runs")


async def claim(conn: Connection, name: str, due_at: datetime) -> bool:
    """Whether the run is now ours; False when it was claimed before, by whomever."""
    return await _Q.run(conn, "claim", name=name, due_at=due_at) == 1


async def finish(conn: Connection, name: str, due_at: datetime, *, at: datetime) -> None:
    """The run ended well at `at`."""
    await _Q.run(conn, "finish", name=name, due_at=due_at, at=at)
