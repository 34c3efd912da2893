"""How long this process's postings took, and how many facts each booked."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter

from bascule.domain.spread import ROWS, SECONDS, Spread


@dataclass
class PostingTimes:
    """By kind: seconds of postings that were not refused, and the facts they were asked to book."""

    seconds: defaultdict[str, Spread] = field(default_factory=lambda: defaultdict(lambda: Spread(SECONDS)))
    rows: defaultdict[str, Spread] = field(default_factory=lambda: defaultdict(lambda: Spread(ROWS)))

    @contextmanager
    def timed(self, kind: str, rows: int) -> Iterator[None]:
        """Counts what the block does, unless it raises."""
        began = perf_counter()
        yield
        self.seconds[kind].add(perf_counter() - began)
        self.rows[kind].add(rows)


# Of the process, whatever connections it posts on.
POSTED = PostingTimes()
