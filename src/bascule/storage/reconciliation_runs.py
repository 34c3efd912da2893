"""Rows of reconciliation runs: asked for, then finished with what they found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("reconciliation_runs")


@dataclass(frozen=True, slots=True)
class Run:
    """One run. livemode, chain_id: None for all. The counts are None until it is finished.

    unanswered: ids of the tokens that it does not compare, as nodes were silent or differed for too long.
    """

    id: str
    livemode: bool | None
    chain_id: int | None
    requested_by: str
    created_at: datetime
    finished_at: datetime | None = None
    compared: int | None = None
    uneven: int | None = None
    opened: int | None = None
    ended: int | None = None
    unanswered: Sequence[str] = ()


async def insert(conn: Connection, run: Run) -> None:
    """Keeps a run that is asked for."""
    await _Q.run(
        conn,
        "insert",
        id=run.id,
        livemode=run.livemode,
        chain_id=run.chain_id,
        requested_by=run.requested_by,
        created_at=run.created_at,
    )


async def waiting(conn: Connection) -> list[Run]:
    """The runs that nobody has finished, the oldest first; at most 100."""
    return [Run(**row) for row in await _Q.all(conn, "waiting")]


async def finish(
    conn: Connection,
    run: Run,
    *,
    compared: int,
    uneven: int,
    opened: int,
    ended: int,
    unanswered: Sequence[str],
    at: datetime,
) -> Run | None:
    """The run with what it found; None when somebody else was faster."""
    row = await _Q.maybe(
        conn,
        "finish",
        id=run.id,
        compared=compared,
        uneven=uneven,
        opened=opened,
        ended=ended,
        unanswered=list(unanswered),
        finished_at=at,
    )
    return None if row is None else Run(**row)


async def newest(conn: Connection) -> list[Run]:
    """The newest 20 runs, the last one first."""
    return [Run(**row) for row in await _Q.all(conn, "newest")]


async def several(conn: Connection, ids: Sequence[str]) -> list[Run]:
    """These runs, in the order of their ids as given; those that there are."""
    found = {row["id"]: Run(**row) for row in await _Q.all(conn, "several", ids=list(ids))}
    return [found[id] for id in ids if id in found]
