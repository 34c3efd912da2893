"""The worker's two loops that tell, as a process whose processor time is its alone.

`python -m benchmarks._telling DATABASE_URL` prints a line when it could begin, begins when it reads one, and
ends with its standard input.
"""

import asyncio
import sys

import uvloop

from bascule.entrypoints.descriptors import raise_limit
from bascule.entrypoints.schedule import Loop, run_all
from bascule.services.dispatcher import Dispatcher
from bascule.services.egress import EgressRules
from bascule.services.http_sender import HttpSender
from bascule.services.outbox import Outbox
from bascule.services.seams import SystemClock, SystemEntropy
from bascule.services.sequencer import Sequencer
from bascule.storage.database import Database, refuse_open_transaction

CLOCK, ENTROPY = SystemClock(), SystemEntropy()


async def main(database_url: str) -> None:
    """Numbers and sends, as `bascule worker` does."""
    raise_limit()
    stop = asyncio.Event()
    async with (
        Database(database_url) as db,
        HttpSender(refuse_open_transaction, EgressRules(allow_local=True)) as sender,
    ):
        sequencer = Sequencer(db, CLOCK, ENTROPY)
        dispatcher = Dispatcher(db, CLOCK, ENTROPY, Outbox(CLOCK, ENTROPY), sender)
        loops = [
            Loop(sequencer, 0.5, channel="bascule_outbox"),
            Loop(dispatcher, 0.5, channel="bascule_deliveries", busy=lambda: dispatcher.in_flight > 0),
        ]
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)
        ended = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
        ended.add_done_callback(lambda _: stop.set())
        await run_all(db, CLOCK, loops=loops, stop=stop)
        await ended
        await dispatcher.stop()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1]))
