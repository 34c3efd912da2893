"""NOTIFY as an alarm clock: a notification ends a wait early, and nothing else depends on it.

Each channel has a connection of its own (poolers cannot carry LISTEN). A lost connection or notification
costs one polling interval, never work.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import sql

RECONNECT_SECONDS = 1.0


@dataclass
class _Channel:
    """How many notifications came, and how many of them each waiting task has seen."""

    count: int = 0
    came: asyncio.Event = field(default_factory=asyncio.Event)
    listening: asyncio.Event = field(default_factory=asyncio.Event)
    seen: WeakKeyDictionary[asyncio.Task[object], int] = field(default_factory=WeakKeyDictionary)
    listener: asyncio.Task[None] | None = None


class Wakeups:
    """The channels one process listens to; a channel is opened by the first wait on it."""

    def __init__(self, url: str, name: str) -> None:
        self._url = url
        self._name = name
        self._channels: dict[str, _Channel] = {}

    async def wait_for(self, channel: str, timeout: float) -> bool:  # noqa: ASYNC109 - the caller polls after it
        """True as soon as there is a notification this task has not seen, False after `timeout` seconds."""
        state = self._channels.setdefault(channel, _Channel())
        if state.listener is None or state.listener.done():
            state.listener = asyncio.create_task(self._listen(channel, state), name=f"listen {channel}")
        task = asyncio.current_task()
        assert task is not None
        came = state.came
        if state.count == state.seen.get(task, 0):
            with suppress(TimeoutError):
                await asyncio.wait_for(came.wait(), timeout)
        fresh = state.count != state.seen.get(task, 0)
        state.seen[task] = state.count
        return fresh

    async def close(self) -> None:
        """Ends every listener."""
        listeners = [state.listener for state in self._channels.values() if state.listener is not None]
        self._channels.clear()
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)

    async def _listen(self, channel: str, state: _Channel) -> None:
        while True:
            with suppress(psycopg.Error):
                async with await self._connected() as connection:
                    await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                    state.listening.set()
                    async for _ in connection.notifies():
                        state.count += 1
                        came, state.came = state.came, asyncio.Event()
                        came.set()
            state.listening.clear()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        """A connection. Who is cancelled meanwhile closes it first: half made it stays at the server."""
        connecting = asyncio.create_task(
            psycopg.AsyncConnection.connect(
                self._url,
                autocommit=True,
                application_name=f"{self._name} listen",
                connect_timeout=5,
            )
        )
        try:
            return await asyncio.shield(connecting)
        except asyncio.CancelledError:
            with suppress(psycopg.Error):
                await (await connecting).close()
            raise
