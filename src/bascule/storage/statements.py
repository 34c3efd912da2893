"""One statement on one connection, with no more work than it takes.

A cursor of psycopg makes hundreds of calls for a statement: more work than PostgreSQL has with answering it.
What is kept of psycopg is all that is hard: its protocol, its waiting and cancelling, its errors, and how it
writes and reads values.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import psycopg
from psycopg import errors
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import execute as _until_done
from psycopg.generators import send as _sent
from psycopg.pq import ConnStatus, ExecStatus
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


class _Ready(NamedTuple):
    """A statement with its values, as they are sent."""

    key: _Key
    use: _Use
    given: Sequence[Any]
    formats: Sequence[Any] | None


class _Ahead(NamedTuple):
    statement: Statement
    params: Mapping[str, object]
    check: "Callable[[Answer], None]"


class _Session:
    """What a connection keeps between statements: how values are written, and what is prepared.

    after, most: as PREPARED_AFTER and PREPARED_MAX.
    """

    def __init__(self, conn: psycopg.AsyncConnection[Any], after: int, most: int) -> None:
        conn.prepare_threshold = None  # or its cursors would end what is prepared here, at each rollback
        self.values = Transformer(conn)
        self.uses: dict[_Key, _Use] = {}
        self.ahead: _Ahead | None = None
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
        session = _session_of(conn)
        ready = await _ready(conn, session, statement, params)
        if session.ahead is not None:
            return await _behind(conn, session, session.ahead, ready)
        return await _alone(conn, session, ready)
    finally:
        lock.release()


@asynccontextmanager
async def ahead(
    conn: psycopg.AsyncConnection[Any],
    statement: Statement,
    params: Mapping[str, object],
    check: Callable[[Answer], None],
) -> AsyncIterator[None]:
    """Sends the statement with the first one of the block, in one turn of the network, or after the block.

    check: is given its answer before anybody has the other's; what it raises is raised in the other's place,
    and in the place of whatever the block raised without a statement.
    """
    session = _session_of(conn)
    session.ahead = mine = _Ahead(statement, params, check)
    try:
        yield
    except Exception:
        if session.ahead is mine:
            await _now(conn, session, mine)
        raise
    except BaseException:
        session.ahead = None
        raise
    if session.ahead is mine:
        await _now(conn, session, mine)


async def _now(conn: psycopg.AsyncConnection[Any], session: _Session, mine: _Ahead) -> None:
    session.ahead = None
    mine.check(await execute(conn, mine.statement, mine.params))


def _session_of(conn: psycopg.AsyncConnection[Any]) -> _Session:
    session: _Session | None = vars(conn).get(_KEPT)
    if session is None:
        session = vars(conn)[_KEPT] = _Session(conn, PREPARED_AFTER, PREPARED_MAX)
    return session


async def _ready(
    conn: psycopg.AsyncConnection[Any], session: _Session, statement: Statement, params: Mapping[str, object]
) -> _Ready:
    values = session.values
    given = values.dump_sequence([params[name] for name in statement.names], statement.formats)
    formats = values.formats
    key = statement.text, tuple(values.types or ())
    return _Ready(key, await _prepared(conn, session, key), given, formats)


async def _alone(conn: psycopg.AsyncConnection[Any], session: _Session, ready: _Ready) -> Answer:
    key, use, given, formats = ready
    if use.name:
        conn.pgconn.send_query_prepared(use.name, given, formats)
    else:
        conn.pgconn.send_query_params(key[0], given, key[1], formats)
    try:
        [result] = await _answered(conn)
    except errors.FeatureNotSupported as error:
        raise _told(session, key, error) from error
    return Answer(session, use, result)


async def _behind(
    conn: psycopg.AsyncConnection[Any], session: _Session, first: _Ahead, after: _Ready
) -> Answer:
    """The statement's answer, once the check of the one ahead has let it pass."""
    session.ahead = None
    before = await _ready(conn, session, first.statement, first.params)
    if not (before.use.name and after.use.name):
        first.check(await _alone(conn, session, before))
        return await _alone(conn, session, after)
    results = await _together(conn, before, after)
    answers = []
    for ready, result in zip((before, after), results, strict=True):
        if result.status not in _GOOD:
            error = errors.error_from_result(result, encoding=conn.info.encoding)
            raise _told(session, ready.key, error)
        answers.append(Answer(session, ready.use, result))
        if ready is before:
            first.check(answers[0])
    return answers[1]


async def _together(conn: psycopg.AsyncConnection[Any], *statements: _Ready) -> list[PGresult]:
    """What came of prepared statements that are sent at once; nobody can use the connection if it is left."""
    pgconn, results = conn.pgconn, []
    pgconn.enter_pipeline_mode()
    try:
        for each in statements:
            pgconn.send_query_prepared(each.use.name, each.given, each.formats)
        pgconn.pipeline_sync()
        if pgconn.flush():
            await conn.wait(_sent(pgconn))
        while True:
            while pgconn.is_busy():
                await _readable(conn)
            result = pgconn.get_result()
            if result is None:  # behind each statement's; for ever where the connection is lost
                if pgconn.status != ConnStatus.OK:
                    raise psycopg.OperationalError("the connection was lost within an answer")
                continue
            if result.status == ExecStatus.PIPELINE_SYNC:
                break
            results.append(result)
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError):
            with suppress(psycopg.Error):  # it cannot be told to stop: it hears it from the lost connection
                await conn.cancel_safe(timeout=5.0)
        await conn.close()
        raise
    pgconn.exit_pipeline_mode()
    return results


def _told(session: _Session, key: _Key, error: psycopg.Error) -> psycopg.Error:
    """The error as it is raised; a plan of another time is made anew next time."""
    if isinstance(error, errors.FeatureNotSupported) and error.diag.source_function == _REPLANNING:
        session.uses.pop(key, None)
        return psycopg.OperationalError("a table has changed under a statement: ask again")
    return error


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
    """Waits for the first bytes, mostly all there are.

    Raises: asyncio.CancelledError, once the statement has been called off as psycopg does it.
    """
    try:
        await _readable(conn)
    except asyncio.CancelledError:
        try:
            await conn.cancel_safe(timeout=5.0)
            await conn.wait(_until_done(conn.pgconn), timeout=5.0)
        except psycopg.Error:  # it cannot be told to stop: nobody may use the connection again
            await conn.close()
        raise


async def _readable(conn: psycopg.AsyncConnection[Any]) -> None:
    """Waits for bytes and takes them in: psycopg's way to wait costs several times more."""
    loop, fd = asyncio.get_running_loop(), conn.pgconn.socket
    came: asyncio.Future[None] = loop.create_future()
    loop.add_reader(fd, _tell, came)
    try:
        await came
    finally:
        loop.remove_reader(fd)
    conn.pgconn.consume_input()


def _tell(came: asyncio.Future[None]) -> None:
    if not came.done():
        came.set_result(None)
