"""One statement on one connection, with no more work than it takes.

A cursor of psycopg makes hundreds of calls for a statement: more work than PostgreSQL has with answering it.
What is kept of psycopg is all that is hard: its protocol, its waiting and cancelling, its errors, and how it
writes and reads values.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import execute as _until_done
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

Row = dict[str, Any]
PREPARED_AFTER = 5  # uses; what is asked for once is not worth the server's memory
PREPARED_MAX = 200  # on one connection; the one that was not used for longest is forgotten
PLANNED_MAX = 1_000  # on one that plans each once: more than any process has
_GOOD = (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK)
_REPLANNING = "RevalidateCachedQuery"  # PostgreSQL's own, which has no word else for what it refuses there
_KEPT = "bascule_session"
_Key = tuple[bytes, tuple[int, ...]]  # a text and the types of its values


@dataclass(frozen=True, slots=True)
class Statement:
    """A text with $1, $2 …, and the names of what goes there, in that order."""

    text: bytes
    names: tuple[str, ...]
    formats: list[PyFormat] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "formats", [PyFormat.AUTO] * len(self.names))


@dataclass(slots=True)
class _Use:
    """A statement with types of its values, as a connection knows it. name: as what it is prepared, if it is.

    columns: the names of what it answers; the server refuses to change those of a prepared statement.
    """

    times: int = 0
    name: bytes = b""
    columns: tuple[str, ...] = ()


class _Session:
    """What a connection keeps between statements: how values are written, and what is prepared.

    after, most: as PREPARED_AFTER and PREPARED_MAX.
    """

    def __init__(self, conn: psycopg.AsyncConnection[Any], after: int, most: int) -> None:
        conn.prepare_threshold = None  # or its cursors would end what is prepared here, at each rollback
        self.values = Transformer(conn)
        self.uses: dict[_Key, _Use] = {}
        self.named = 0
        self.after = after
        self.most = most


class Answer:
    """What came of a statement: rows if it has columns, and how many rows it changed or found."""

    __slots__ = ("_result", "_session", "_use")

    def __init__(self, session: _Session, use: _Use, result: PGresult) -> None:
        self._session = session
        self._use = use
        self._result = result

    @property
    def count(self) -> int:
        """How many rows were changed, or found; -1 where that has no meaning."""
        changed = self._result.command_tuples
        return -1 if changed is None else changed

    def tuples(self) -> list[tuple[Any, ...]]:
        """The rows, in the statement's order of columns."""
        result = self._result
        if not result.nfields:
            return []
        values = self._session.values
        values.set_pgresult(result)
        rows = values.load_rows(0, result.ntuples, tuple)
        values.set_pgresult(None)  # a million rows are not kept until the next statement
        return rows

    def dicts(self) -> list[Row]:
        """The rows by their columns' names."""
        rows = self.tuples()
        columns = self._use.columns
        if rows and not columns:
            result = self._result
            columns = tuple((result.fname(n) or b"").decode() for n in range(result.nfields))
            if self._use.name:
                self._use.columns = columns
        return [dict(zip(columns, row, strict=True)) for row in rows]


def prepare_at_once(conn: psycopg.AsyncConnection[Any]) -> None:
    """From now on the connection prepares each statement when it is first used, and keeps them all."""
    vars(conn)[_KEPT] = _Session(conn, 0, PLANNED_MAX)


async def execute(
    conn: psycopg.AsyncConnection[Any], statement: Statement, params: Mapping[str, object]
) -> Answer:
    """Sends the statement and waits for all of its answer. Raises what psycopg's cursor would.

    OperationalError where a table has got other columns since the statement was prepared; it is so no more.
    """
    assert conn.autocommit, "a transaction is begun by whoever wants one"
    lock = conn.lock
    await lock.acquire()
    try:
        session: _Session | None = vars(conn).get(_KEPT)
        if session is None:
            session = vars(conn)[_KEPT] = _Session(conn, PREPARED_AFTER, PREPARED_MAX)
        values = session.values
        given = values.dump_sequence([params[name] for name in statement.names], statement.formats)
        types, formats = values.types or (), values.formats
        key = statement.text, tuple(types)
        use = await _prepared(conn, session, key)
        if use.name:
            conn.pgconn.send_query_prepared(use.name, given, formats)
        else:
            conn.pgconn.send_query_params(statement.text, given, types, formats)
        try:
            [result] = await _answered(conn)
        except errors.FeatureNotSupported as error:
            if error.diag.source_function != _REPLANNING:
                raise
            del session.uses[key]
            raise psycopg.OperationalError("a table has changed under a statement: ask again") from error
    finally:
        lock.release()
    return Answer(session, use, result)


async def _prepared(conn: psycopg.AsyncConnection[Any], session: _Session, key: _Key) -> _Use:
    """How the connection knows the statement, which becomes the one used last."""
    use = session.uses.pop(key, None) or _Use()
    if not use.name:
        use.times += 1
        if use.times > session.after:
            session.named += 1
            name = f"b{session.named}".encode()
            conn.pgconn.send_prepare(name, *key)
            await _answered(conn)
            use.name = name
    session.uses[key] = use
    if len(session.uses) > session.most:
        oldest = session.uses.pop(next(iter(session.uses)))
        if oldest.name:
            conn.pgconn.send_query(b"DEALLOCATE " + oldest.name)
            await _answered(conn)
    return use


async def _answered(conn: psycopg.AsyncConnection[Any]) -> list[PGresult]:
    if conn.pgconn.flush() == 0:
        await _something_came(conn)
    results: list[PGresult] = await conn.wait(_until_done(conn.pgconn))
    for result in results:
        if result.status not in _GOOD:
            raise errors.error_from_result(result, encoding=conn.info.encoding)
    return results


async def _something_came(conn: psycopg.AsyncConnection[Any]) -> None:
    """Waits for the first bytes, mostly all there are: psycopg's way to wait costs several times more.

    Raises: asyncio.CancelledError, once the statement has been called off as psycopg does it.
    """
    loop, fd = asyncio.get_running_loop(), conn.pgconn.socket
    came: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _tell, came)
    try:
        await came
    except asyncio.CancelledError:
        loop.remove_reader(fd)
        try:
            await conn.cancel_safe(timeout=5.0)
            await conn.wait(_until_done(conn.pgconn), timeout=5.0)
        except psycopg.Error:  # it cannot be told to stop: nobody may use the connection again
            await conn.close()
        raise
    loop.remove_reader(fd)
    conn.pgconn.consume_input()


def _tell(came: asyncio.Future[None]) -> None:
    if not came.done():
        came.set_result(None)
