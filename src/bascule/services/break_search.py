"""The search for what contradicts: chain against journal, intents, payouts, events and seals.

What is found is opened or seen again; what is not found any more ends, by the posting that books it where its
type asks for one. What a person has explained stays explained as long as it stands as it did. Any number of
searches may run: each finds the same.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bascule.domain.breaks import TYPES, Ends, may_explain
from bascule.domain.seal import seal
from bascule.services.breaks import Breaks
from bascule.storage import breaks, contradictions, seals
from bascule.storage.breaks import Break, Found
from bascule.storage.contradictions import SEARCHES
from bascule.storage.database import Connection, Database

SEAL_BREAK = "seal_break"
Key = tuple[str, str]  # type and subject


@dataclass(frozen=True, slots=True)
class Looked:
    """How many breaks a search opened and ended."""

    opened: int
    ended: int


@dataclass(frozen=True)
class BreakSearch:
    """Looks at everything once."""

    db: Database
    breaks: Breaks

    async def look(self, run_id: str) -> Looked:
        """One search, each type in transactions of its own. run_id: what resolutions name."""
        opened = ended = 0
        for search, types in SEARCHES.items():
            more, here = await self._look(search)
            opened, ended = opened + more, ended + await self._end_gone(types, here, run_id)
        more, here = await self._open(await self._broken_seals())
        return Looked(opened + more, ended + await self._end_gone((SEAL_BREAK,), here, run_id))

    async def _look(self, search: str) -> tuple[int, set[Key]]:
        """How many were opened, and what there is now; in parts, each in transactions of its own."""
        opened, here, after = 0, set[Key](), ""
        while True:
            async with self.db.transaction() as conn:
                await contradictions.take_your_time(conn)
                found = await contradictions.find(conn, search, after)
            more, keys = await self._open(found)
            opened, here = opened + more, here | keys
            if len(found) < contradictions.MOST:
                return opened, here
            after = found[-1].subject

    async def _open(self, found: Sequence[Found]) -> tuple[int, set[Key]]:
        """How many are new; and all of them but what a person has explained."""
        async with self.db.transaction() as conn:
            found = await _to_open(conn, found)
            opened = sum([await self.breaks.open(conn, each) for each in found])
        return opened, {(each.type, each.subject) for each in found}

    async def _end_gone(self, types: Sequence[str], here: Collection[Key], run_id: str) -> int:
        """How many ended of those that are not here any more."""
        async with self.db.transaction() as conn:
            gone = [
                row
                for row in await breaks.open_now(conn)
                if row.type in types and (row.type, row.subject) not in here
            ]
            return sum([await self._end(conn, row, run_id) for row in gone])

    async def _end(self, conn: Connection, row: Break, run_id: str) -> bool:
        booked_by = await contradictions.posting(conn, row)
        if booked_by is None and TYPES[row.type].ends is Ends.BOOKED:
            return False
        resolution = {"by": "reconciliation", "run": run_id, "transaction": booked_by}
        return await self.breaks.resolve(conn, row, resolution) is not None

    async def _broken_seals(self) -> list[Found]:
        """The seals whose rows are not what was sealed, each with the first such row."""
        found: list[Found] = []
        previous, reach = None, seals.Reach()
        async with self.db.read() as conn:
            async for kept in seals.every(conn):
                rows = await seals.rows_between(conn, reach, kept.reach, None)
                made = seal(previous, rows, kept.seal.sealed_at) if rows else None
                if made != kept.seal:
                    wrong = set(kept.seal.rows) ^ set(made.rows if made else ())
                    first = min(((stream, row_id) for stream, row_id, _ in wrong), default=None)
                    evidence = {"seal": kept.seal.number, "first_wrong_row": first}
                    found.append(Found(SEAL_BREAK, f"seal {kept.seal.number}", evidence))
                previous, reach = kept.seal, kept.reach
        return found


async def _to_open(conn: Connection, found: Sequence[Found]) -> list[Found]:
    """Without those that a person has explained as they stand."""
    explicable = [each for each in found if may_explain(each.type)]
    return [
        *(each for each in found if not may_explain(each.type)),
        *await breaks.unexplained(conn, explicable),
    ]
