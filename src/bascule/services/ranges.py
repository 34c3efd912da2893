"""Ranges far behind the head: a few are read ahead of the cursor, and handed over strictly in order.

Nothing is kept of a range before it is committed: after a crash, an error or a reorg those in flight are
read again, beginning behind the cursor.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from bascule.chain import heads
from bascule.chain.caller import Caller
from bascule.domain.errors import BasculeError
from bascule.services.reading import Reader, Reading
from bascule.storage.blocks import Cursor


@dataclass(frozen=True, slots=True)
class _Range:
    """Blocks that are being read."""

    first: int
    last: int
    reading: asyncio.Task[Reading]


class Ranges:
    """Reads ranges of one chain ahead. at_once: how many are in flight or wait, so that memory is bounded."""

    def __init__(self, rpc: Caller, reader: Reader, *, at_once: int = 3) -> None:
        self._rpc, self._reader, self._at_once = rpc, reader, at_once
        self._ahead: deque[_Range] = deque()

    async def next(self, cursor: Cursor, last: int) -> Reading:
        """The blocks behind the cursor, at most up to `last`, as far as they link up among each other.

        Whether they link to the cursor is the caller's to see; no blocks: the node does not have them yet.
        Raises as `Reader.read`; the next ranges are smaller then.
        """
        if self._ahead and self._ahead[0].first != cursor.next_number:
            self.drop()
        self._fill(cursor.next_number, last)
        asked = self._ahead.popleft()
        try:
            reading = await asked.reading
        except BasculeError:
            self._reader.span.refused(asked.last - asked.first + 1)
            self.drop()
            raise
        if len(reading.blocks) <= asked.last - asked.first:
            self.drop()
        else:
            self._fill(asked.last + 1, last)
        return reading

    def drop(self) -> None:
        """Forgets what is in flight."""
        for each in self._ahead:
            each.reading.cancel()
        self._ahead.clear()

    def _fill(self, number: int, last: int) -> None:
        """Begins ranges from a height on, or behind those in flight, while there may be more."""
        first = self._ahead[-1].last + 1 if self._ahead else number
        while len(self._ahead) < self._at_once and first <= last:
            upto = min(last, first + self._reader.span.blocks - 1)
            reading = asyncio.create_task(self._read(range(first, upto + 1)))
            reading.add_done_callback(_seen)
            self._ahead.append(_Range(first, upto, reading))
            first = upto + 1

    async def _read(self, heights: range) -> Reading:
        headers = heads.linked(await heads.by_numbers(self._rpc, heights))
        return await self._reader.read_range(headers)


def _seen(reading: asyncio.Task[Reading]) -> None:
    """Takes note of an error that nobody waits for: the range is read again."""
    if not reading.cancelled():
        reading.exception()
