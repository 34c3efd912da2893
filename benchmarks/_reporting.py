"""One report by a process of its own: `python -m benchmarks._reporting URL FORMAT` says what it took."""

import asyncio
import json
import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bascule.domain.report import Format, Interval, of_name
from bascule.services.report_making import Wanted, make
from bascule.storage.database import Database


async def measured(url: str, format: Format) -> dict[str, float]:
    """Seconds, rows, the most memory of this process in MB, and how often progress was told."""
    now = datetime.now(UTC)
    interval = Interval(now - timedelta(days=100), now + timedelta(days=1))
    wanted = Wanted(of_name("activity"), format, "acct_operator", False, interval, {})
    told: list[int] = []
    with tempfile.TemporaryDirectory() as folder:
        async with Database(url) as db:
            begun = time.perf_counter()
            made = await make(db, wanted, Path(folder), progress=told.append)
            taken = time.perf_counter() - begun
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"s": taken, "rows": sum(each.rows for each in made.files), "mb": memory, "told": len(set(told))}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(measured(sys.argv[1], Format(sys.argv[2])))))
