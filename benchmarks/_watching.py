"""A watcher that catches up with a node, as a process whose memory and processor time are its alone.

`python -m benchmarks._watching DATABASE_URL NODE_URL read|prove` prints what it took as JSON.
"""

import asyncio
import json
import resource
import sys
import time
from typing import Any

import aiohttp
import uvloop

from bascule.chain import families, heads
from bascule.chain.rpc import Rpc
from bascule.domain.finality import FinalityPolicy
from bascule.services.outbox import Outbox
from bascule.services.seams import SystemClock, SystemEntropy
from bascule.services.watcher import Watcher
from bascule.storage import blocks
from bascule.storage.database import Database
from bascule.storage.leases import Lease
from bascule.storage.networks import Network
from benchmarks._canned_node import CHAIN

CLOCK, ENTROPY = SystemClock(), SystemEntropy()
NETWORK = Network(CHAIN, "local", False, FinalityPolicy("finalized"), None, None, None, None, start_block=1)


class Reading(Watcher):
    """Reads with header links and blooms, and proves nothing: so nothing becomes final."""

    async def _prove(self, lease: Lease) -> tuple[int, None]:
        return 0, None


def watcher(
    db: Database, session: aiohttp.ClientSession, url: str, kind: type[Watcher], **more: Any
) -> Watcher:
    """One as wiring makes it, of the chain of the canned node."""
    rpc = Rpc(url, session=session, guard=db.refuse_open_transaction, family=families.of(CHAIN))
    return kind(db, rpc, NETWORK, clock=CLOCK, entropy=ENTROPY, outbox=Outbox(CLOCK, ENTROPY), **more)


async def catch_up(database_url: str, node_url: str, how: str) -> dict[str, float]:
    """Reads to the head, and with `prove` until all of it is final."""
    async with Database(database_url) as db, aiohttp.ClientSession() as session:
        worker = watcher(db, session, node_url, Reading if how == "read" else Watcher)
        assert await worker.run_once() == 1, "the first block"
        began, before = time.perf_counter(), time.process_time()
        while await worker.run_once():
            pass
        clock, processors = time.perf_counter() - began, time.process_time() - before
        head = await heads.latest(Rpc(node_url, session=session, guard=db.refuse_open_transaction))
        async with db.read() as conn:
            cursor = await blocks.cursor(conn, CHAIN)
        assert cursor is not None
        assert cursor.last_hash == head.hash, "it is at the head"
        assert how == "read" or cursor.finalized_number == head.number, "all of it is final"
        await worker.release()
        events = sum(worker.counters[f"transfers_{of}"] for of in ("recorded", "seen", "of_others"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"clock": clock, "processors": processors, "events": events, "peak_mb": peak}


if __name__ == "__main__":
    uvloop.install()
    sys.stdout.write(json.dumps(asyncio.run(catch_up(*sys.argv[1:]))) + "\n")
