"""What every benchmark shares: figures with medians and bounds, and a result that says where it was taken.

A benchmark is a module with `async def run(runs: int, scale: float) -> list[Figure]`; `scale` 1.0 is the size
that the documents quote, less is for trying it out.
"""

import os
import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

LIBRARIES = (
    "bascule",
    "py-evm",
    "eth-tester",
    "aiohttp",
    "msgspec",
    "orjson",
    "psycopg",
    "fastapi",
    "uvicorn",
)


@dataclass(frozen=True)
class Figure:
    """One measured quantity, the same thing done several times.

    bound: the most it should be; limit: what the machine alone needs for it, measured beside it.
    """

    name: str
    unit: str
    values: tuple[float, ...]
    bound: float | None = None
    limit: float | None = None

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    def told(self) -> dict[str, Any]:
        """Returns it for a result; `ratio` is the median's share of the bound, `times_limit` how many times
        the limit it is.
        """
        return {
            "name": self.name,
            "unit": self.unit,
            "median": round(self.median, 4),
            "least": round(min(self.values), 4),
            "most": round(max(self.values), 4),
            "runs": len(self.values),
            "bound": self.bound,
            "ratio": None if self.bound is None else round(self.median / self.bound, 3),
            "limit": None if self.limit is None else round(self.limit, 4),
            "times_limit": None if not self.limit else round(self.median / self.limit, 2),
        }


async def seconds(work: Callable[[], Awaitable[object]]) -> float:
    """Returns how long `work` takes on the clock."""
    started = time.perf_counter()
    await work()
    return time.perf_counter() - started


def result(
    name: str, command: str, scale: float, load_before: float, figures: Sequence[Figure]
) -> dict[str, Any]:
    """Returns a benchmark's result; a load (1-minute average) above the number of CPUs means a crowd."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return {
        "benchmark": name,
        "command": command,
        "scale": scale,
        "machine": {
            "cpus": os.cpu_count(),
            "memory_gib": round(pages * size / 2**30, 1),
            "system": f"{platform.system()} {platform.machine()}",
            "load_before": round(load_before, 2),
            "load_after": round(os.getloadavg()[0], 2),
        },
        "versions": {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES},
        "figures": [figure.told() for figure in figures],
    }
