"""One transaction held open until another one waits for it: an order that would otherwise be luck."""

from __future__ import annotations

import asyncio

from bascule.storage.database import Connection


async def somebody_waits(conn: Connection) -> None:
    """Returns when a statement waits for what the transaction of `conn` holds."""
    for _ in range(1_000):
        found = await conn.execute(
            "SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )
        if found.rowcount:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")
