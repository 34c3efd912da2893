"""The submitters of several lanes in one process, until it is told to end; says how much memory it takes.

`python -m benchmarks._paying DATABASE_URL NODE_URL SOCKET LANES AHEAD` prints megabytes once a second. AHEAD:
seconds by which the chain's time is ahead of ours.
"""

import asyncio
import signal
import sys
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp
import uvloop

from bascule.chain.families import ETHEREUM
from bascule.chain.rpc import Rpc
from bascule.entrypoints.schedule import Loop, run_all
from bascule.entrypoints.signer_client import SignerClient
from bascule.services.outbox import Outbox
from bascule.services.pace import Pace
from bascule.services.seams import SystemClock, SystemEntropy
from bascule.services.submitter import Submitter
from bascule.storage import networks
from bascule.storage.database import Database

ENTROPY = SystemEntropy()


class ChainClock:
    """Tells the chain's time, which was so far ahead of ours when this began."""

    def __init__(self, ahead: float) -> None:
        self._ahead = timedelta(seconds=ahead)

    def now(self) -> datetime:
        """Now, on the chain."""
        return SystemClock().now() + self._ahead


MEMORY = "megabytes in memory: "  # and how many: one line of what the process says


async def pay(url: str, node: str, socket: Path, lanes: int, ahead: float) -> None:
    """Works every lane, as `bascule submitter` does one."""
    clock = ChainClock(ahead)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with (
        Database(url, pool_size=lanes, plan_once=True) as db,
        aiohttp.ClientSession() as session,
        SignerClient(socket, guard=db.refuse_open_transaction, timeout_s=120) as signer,
    ):
        async with db.read() as conn:
            [network] = await networks.every(conn)
        rpc = Rpc(node, session=session, guard=db.refuse_open_transaction, family=ETHEREUM)
        pace = Pace()
        workers = [
            Submitter(
                db, rpc, signer, network, f"vault-{lane}", clock=clock, outbox=Outbox(clock, ENTROPY),
                holder=f"bench-{lane}", pace=pace,
            )
            for lane in range(lanes)
        ]  # fmt: skip
        telling = asyncio.create_task(tell_memory())
        loops = [Loop(worker, 0.25, channel="bascule_payouts") for worker in workers]
        await run_all(db, clock, loops=loops, stop=stop)
        telling.cancel()


async def tell_memory() -> None:
    """Says it once a second."""
    while True:
        sys.stdout.write(f"{MEMORY}{megabytes():.1f}\n")
        sys.stdout.flush()
        await asyncio.sleep(1)


def megabytes() -> float:
    """Of this process that are in memory (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / 1e6


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(pay(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5])))
