"""The log of what accounts ask: a request leaves its line in memory, and lines are written many at a time.

Nothing of a request waits for its line, and no answer depends on it. While the database is away lines wait;
what no longer fits, in all or in an account's share, is left out, and counted: in a metric, in our own
log, and in the account's next line.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from itertools import islice

import structlog

from bascule.domain.errors import Retryable
from bascule.storage import requests
from bascule.storage.database import Database
from bascule.storage.requests import PATH_MAX, Line

_log = structlog.get_logger()
MOST = 10_000  # lines that wait: six megabytes, and ten seconds of all that one process answers
SHARE = 2_500  # of them an account's in a mode: one that asks as fast as it may leaves room for others
AT_ONCE = 1_000  # lines in a transaction
EVERY_S = 0.5  # how late a line is
BAD_MOST = 8  # lines searched for that spoil what they are written with; with more it is no line's fault
# what begins as a secret of ours does: of a key its public part stays
_SECRET = re.compile(r"((?:sk|rk|pk)_(?:test|live)_\w{0,8}|whsec_|_secret_)[^/]*")
_SECRET_WORDS = ("_test_", "_live_", "whsec_", "_secret_")  # one of which is in whatever that finds

_Owner = tuple[str, bool]  # an account in a mode


class RequestLog:
    """The lines of one process. left_out: requests that got none, since its start."""

    def __init__(
        self, db: Database, *, most: int = MOST, share: int = SHARE, every_s: float = EVERY_S
    ) -> None:
        self._db = db
        self._most = most
        self._share = share
        self._every_s = every_s
        self._waiting: deque[Line] = deque()
        self._of: Counter[_Owner] = Counter()  # how many of them are whose
        self._missing: Counter[_Owner] = Counter()  # of each account, since its last line
        self._told = 0
        self.left_out = 0

    def note(self, line: Line) -> None:
        """Keeps a line until it is written. Never waits."""
        owner = line.account_id, line.livemode
        if len(self._waiting) >= self._most or self._of[owner] >= self._share:
            self._missing[owner] += 1
            self.left_out += 1
            return
        line.left_out = self._missing.pop(owner, 0)
        self._of[owner] += 1
        self._waiting.append(line)

    async def write(self) -> None:
        """Writes what waits; a line that cannot be written is told, counted and left out, alone.

        Raises: Retryable, after which the same lines may be written again.
        """
        bad = 0
        while self._waiting:
            bad += await self._write(min(AT_ONCE, len(self._waiting)), bad)

    async def _write(self, count: int, bad: int) -> int:
        """The oldest lines, by halves where one spoils the rest; how many were given up so. bad: before."""
        lines = list(islice(self._waiting, count))
        try:
            async with self._db.transaction() as conn:
                await requests.append(conn, lines)
        except Retryable:
            raise
        except Exception as error:
            if count > 1 and bad < BAD_MOST:
                found = await self._write(count // 2, bad)
                return found + await self._write(count - count // 2, bad + found)
            _log.error("lines of requests are lost", lines=count, exc_info=error)
            for line in self._gone(count):
                self._missing[line.account_id, line.livemode] += 1 + line.left_out
            self.left_out += count
            return 1
        self._gone(count)
        return 0

    def _gone(self, count: int) -> list[Line]:
        """The oldest lines, which wait no more."""
        gone = [self._waiting.popleft() for _ in range(count)]
        self._of -= Counter((line.account_id, line.livemode) for line in gone)  # who has none is forgotten
        return gone

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Writes every half second while the block runs, and what is left at its end."""
        stop = asyncio.Event()
        writing = asyncio.create_task(self._keep_on(stop))
        try:
            yield
        finally:
            stop.set()
            await writing

    async def _keep_on(self, stop: asyncio.Event) -> None:
        last = False
        while not last:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._every_s):
                    await stop.wait()
            last = stop.is_set()
            await self._write_or_tell()

    async def _write_or_tell(self) -> None:
        """Answers are given whatever becomes of their lines: what goes wrong here is told, nothing more."""
        try:
            await self.write()
        except Retryable as error:
            _log.warning("lines of requests wait", lines=len(self._waiting), reason=str(error))
        if self.left_out > self._told:
            _log.warning("requests have no line in the log", left_out=self.left_out - self._told)
            self._told = self.left_out


def shown_path(path: str) -> str:
    """A path as the log shows it: what may be a secret is cut short, and so is what nobody could read."""
    short = path[: PATH_MAX * 2]
    readable = short if short.isprintable() else "".join(c if c.isprintable() else "\ufffd" for c in short)
    if any(word in readable for word in _SECRET_WORDS):
        readable = _SECRET.sub(r"\1…", readable)
    return readable[:PATH_MAX]
