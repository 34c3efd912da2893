"""Connections and transactions: the one owner of both.

Services open transactions here and hand the connection down; storage functions take it first and never
commit. While a transaction is open, `refuse_open_transaction` refuses to talk to the world. What a lost or
busy server says arrives as `Retryable`.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import msgspec
import psycopg
from psycopg.types.json import set_json_loads
from psycopg_pool import AsyncConnectionPool

from bascule.domain.errors import Halted, Retryable
from bascule.storage.lending import Lender, Pooled, check
from bascule.storage.statements import prepare_at_once
from bascule.storage.wakeup import Wakeups

set_json_loads(msgspec.json.decode)  # several times quicker, and exact for integers of any size

WAIT_S = 10.0  # for a connection, and for the pool's first one
Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class TransactionOpen(RuntimeError):
    """Our own mistake: the world was called, or a second transaction begun, while one was open."""


@dataclass(frozen=True)
class Timeouts:
    """Server-side limits of one connection, in milliseconds."""

    statement: int = 15_000
    lock: int = 5_000
    idle_in_transaction: int = 30_000


@dataclass(eq=False)
class _Open:
    """One open transaction; child tasks inherit it, and see when it has ended."""

    database: "Database"
    open: bool = True


_current: ContextVar[_Open | None] = ContextVar("bascule_open_transaction", default=None)


def refuse_open_transaction() -> None:
    """Raises TransactionOpen inside a transaction of the current task, or of the task that started it."""
    if (current := _current.get()) is not None and current.open:
        raise TransactionOpen("no RPC, HTTP or second transaction while a database transaction is open")


class Database:
    """A pool of checked connections to one database under one login. Open it before use, close it after.

    plan_once: a connection plans a statement when it first runs it, for whatever parameters, and never again;
    for logins whose statements all look up by key. Else the first ten times, which costs more than to run it.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str = "bascule",
        pool_size: int = 8,
        timeouts: Timeouts | None = None,
        plan_once: bool = False,
    ) -> None:
        self.url = url
        self._name = name
        self._plan_once = plan_once
        self._timeouts = timeouts or Timeouts()
        self._connected: list[Pooled] = []
        self._options: dict[str, Any] = {
            "connected": self._connected,
            "autocommit": True,
            "prepare_threshold": None,  # `statements` prepares; cursors would end it all at each rollback
            "application_name": name,
            "client_encoding": "UTF8",  # whatever the surroundings or the database say: COPY is in it
        }
        self._pool: AsyncConnectionPool[Pooled] = AsyncConnectionPool(
            url,
            connection_class=Pooled,
            kwargs=self._options,
            min_size=1,
            max_size=pool_size,
            timeout=WAIT_S,
            open=False,
            configure=self._configure,
            check=check,
        )
        self._lender = Lender(self._pool, pool_size, WAIT_S)
        self._wakeups = Wakeups(url, name)

    async def open(self) -> Self:
        """Connects before the pool does: Retryable says in one line what the database said instead."""
        try:
            first = await Pooled.connect(self.url, connect_timeout=5, **self._options)
        except psycopg.OperationalError as error:
            raise Retryable(f"the database does not answer: {_one_line(error)}") from None
        except psycopg.ProgrammingError as error:
            raise Halted(f"the database URL cannot be used: {_one_line(error)}") from None
        self._connected.append(first)
        with _as_retryable():
            await self._pool.open(wait=True, timeout=WAIT_S)  # or its first user makes it connect again
        return self

    async def close(self) -> None:
        """Closes every connection; waiting listeners return."""
        await self._wakeups.close()
        await self._lender.close()
        await self._pool.close()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside BEGIN … COMMIT; rolled back when the block raises."""
        self._refuse_nesting()
        before = _current.get()
        mark = _Open(self)
        async with _Lent(self._lender) as conn, conn.transaction():
            _current.set(mark)
            try:
                yield conn
            finally:
                mark.open = False
                _current.set(before)

    def read(self) -> AbstractAsyncContextManager[Connection]:
        """A connection in autocommit: each statement sees its own snapshot and stands alone."""
        self._refuse_nesting()
        return _Lent(self._lender)

    def refuse_open_transaction(self) -> None:
        """The guard that RPC and HTTP clients are given."""
        refuse_open_transaction()

    async def wait_for(self, channel: str, timeout: float) -> bool:  # noqa: ASYNC109 - a wait without a limit is a bug
        """Waits for a NOTIFY on `channel`, at most `timeout` seconds; True when one came."""
        refuse_open_transaction()
        return await self._wakeups.wait_for(channel, timeout)

    async def check_role(self, expected_group: str) -> None:
        """Halted unless the login is an ordinary member of exactly this group and owns nothing of ours."""
        from bascule.storage.roles import excess_rights

        async with self.read() as conn:
            excess = await excess_rights(conn, expected_group)
        if excess:
            raise Halted(f"the database login has other rights than {expected_group}: {', '.join(excess)}")

    async def _configure(self, conn: Connection) -> None:
        limits, plans = self._timeouts, "force_generic_plan" if self._plan_once else "auto"
        if self._plan_once:
            prepare_at_once(conn)
        await conn.execute(
            "SELECT set_config('statement_timeout', %s, false), set_config('lock_timeout', %s, false),"
            " set_config('idle_in_transaction_session_timeout', %s, false),"
            " set_config('timezone', 'UTC', false), set_config('plan_cache_mode', %s, false)",
            [str(limits.statement), str(limits.lock), str(limits.idle_in_transaction), plans],
        )

    def _refuse_nesting(self) -> None:
        current = _current.get()
        if current is not None and current.open and current.database is self:
            raise TransactionOpen("a transaction is open in this task: use its connection")


class _Lent:
    """A connection while the block runs. What a lost, busy or slow server says in it arrives as Retryable."""

    __slots__ = ("_conn", "_lender")

    def __init__(self, lender: Lender) -> None:
        self._lender = lender

    async def __aenter__(self) -> Connection:
        with _as_retryable():
            self._conn = await self._lender.take()
        return self._conn

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _as_retryable():
            await self._lender.give(self._conn)
        _retryable(error)


class _as_retryable:
    """Turns what psycopg says about a lost, busy or slow server into Retryable; everything else passes."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _retryable(error)


def _retryable(error: BaseException | None) -> None:
    if isinstance(error, psycopg.OperationalError):  # a pool that has none in time says so too
        raise Retryable(f"the database is not ready: {_one_line(error)}") from error


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
