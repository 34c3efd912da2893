"""Who uses which connection of the pool now: the way of every statement, so as short as it can be.

The pool connects, replaces and closes; for each loan it takes a lock, a clock and several tasks. So what it
gave is lent again and again here, and goes back to it from time to time, to be replaced when it is old.
"""

import asyncio
import select
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

KEPT_S = 300.0  # how long a connection is lent before the pool looks at its age
RESTED_S = 60.0  # how long one lies unused before the pool has it, which closes what is too many


class Pooled(psycopg.AsyncConnection[tuple[Any, ...]]):
    """What the pool holds. It takes over what was connected before it was opened, then connects by itself.

    taken_at: when the pool gave it; rested_at: when it was last given back.
    """

    taken_at = 0.0
    rested_at = 0.0
    _unread: "select.poll | None" = None

    @classmethod
    async def connect(  # type: ignore[override]  # the pool's options, not all of psycopg's
        cls, conninfo: str = "", *, connected: "list[Pooled]", **options: Any
    ) -> "Pooled":
        return connected.pop() if connected else await super().connect(conninfo, **options)

    @property
    def unread(self) -> bool:
        """Whether something lies unread: a server that ends a session says so, or hangs up."""
        if self._unread is None:
            self._unread = select.poll()
            self._unread.register(self.fileno(), select.POLLIN)
        return bool(self._unread.poll(0))


async def check(conn: Pooled) -> None:
    """Asks the server only where something lies unread. Raises what psycopg does when it is gone."""
    if conn.unread:
        await AsyncConnectionPool.check_connection(conn)


class Lender:
    """The connections of an open pool, one user each; whoever waits is served in turn.

    most: as many as the pool may have; wait_s: how long one waits for one, before PoolTimeout.
    """

    def __init__(self, pool: AsyncConnectionPool[Pooled], most: int, wait_s: float) -> None:
        self._pool = pool
        self._most = most
        self._wait_s = wait_s
        self._free: deque[Pooled] = deque()  # the one used last at the end
        self._waiting: deque[asyncio.Future[Pooled | None]] = deque()
        self._out = 0  # places taken: lent, free, or being asked of the pool
        self._closed = False
        self._looks: asyncio.TimerHandle | None = None  # at what rests, where any does
        self._returning: asyncio.Task[None] | None = None

    async def take(self) -> Pooled:
        """A connection that answered when it was last asked and has not hung up since; to be given back."""
        while self._free:
            conn = self._free.pop()
            if await self._answers(conn):
                return conn
        if self._out < self._most or self._closed:
            self._out += 1
            return await self._another()
        return await self._next()

    async def give(self, conn: Pooled) -> None:
        """Takes a connection back; what was left open on it is rolled back."""
        now = monotonic()
        idle = conn.pgconn.transaction_status == TransactionStatus.IDLE
        if self._closed or not idle or now - conn.taken_at > KEPT_S:
            await self._end(conn)
        elif not self._hand(conn):
            conn.rested_at = now
            self._free.append(conn)
            if self._looks is None:
                self._look_later()

    async def close(self) -> None:
        """Gives the pool what is not in use; what is, when it is given back. Nobody waits any more."""
        self._closed = True
        if self._looks is not None:
            self._looks.cancel()
        if self._returning is not None:
            await self._returning
        while self._free:
            await self._end(self._free.popleft())
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(PoolClosed("the pool is closed"))

    def _look_later(self) -> None:
        self._looks = asyncio.get_running_loop().call_later(RESTED_S, self._look)

    def _look(self) -> None:
        """The pool has what nobody used for a while, also where nobody asks for anything any more."""
        self._looks = None
        self._returning = asyncio.create_task(self._return_rested())

    async def _return_rested(self) -> None:
        while self._free and monotonic() - self._free[0].rested_at >= RESTED_S:
            await self._end(self._free.popleft())
        if self._free and self._looks is None and not self._closed:
            self._look_later()

    async def _answers(self, conn: Pooled) -> bool:
        try:
            await check(conn)
        except BaseException as error:
            await self._end(conn)
            if not isinstance(error, psycopg.Error):
                raise
            return False
        return True

    async def _another(self) -> Pooled:
        """One of the pool's, for a place that is taken already."""
        try:
            conn = await self._pool.getconn(self._wait_s)
        except BaseException:
            self._leave()
            raise
        conn.taken_at = monotonic()
        return conn

    async def _next(self) -> Pooled:
        """What somebody gives back; or one of the pool's, where what they had was no good any more."""
        waiting: asyncio.Future[Pooled | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(self._wait_s):
                conn = await waiting
        except BaseException as error:
            await self._give_up(waiting)
            if isinstance(error, TimeoutError):
                raise PoolTimeout(f"couldn't get a connection after {self._wait_s:.2f} sec") from None
            raise
        return await self._another() if conn is None else conn

    async def _give_up(self, waiting: "asyncio.Future[Pooled | None]") -> None:
        """What came for one who waits no more goes on to the next."""
        with suppress(ValueError):
            self._waiting.remove(waiting)
        if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
            conn = waiting.result()
            if conn is None:
                self._leave()
            else:
                await self.give(conn)

    async def _end(self, conn: Pooled) -> None:
        try:
            # whoever is cancelled meanwhile is so at once: the pool would go on rolling back, and forget it
            await asyncio.shield(self._pool.putconn(conn))
        finally:
            self._leave()

    def _leave(self) -> None:
        """A place is empty: whoever waits longest has it, and asks the pool."""
        if not self._hand(None):
            self._out -= 1

    def _hand(self, conn: Pooled | None) -> bool:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(conn)
                return True
        return False
