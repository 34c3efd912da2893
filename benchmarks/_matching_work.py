"""What the matching benchmark times: blocks of payments to open intents, written as a watcher writes them.

Run as a program it does so beside another chain's: URL, chain, KIND and how many blocks a transaction are its
words, the payments its first line. It says when it is ready, begins when told, says when it began and ended.
"""

import asyncio
import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence

import uvloop

from bascule.domain.chain import Address, BlockRef, ChainId, Hash
from bascule.domain.webhook import EventType
from bascule.entrypoints.garbage import collect_rarely
from bascule.services import matcher, matches
from bascule.services.arrivals import Arrivals, by_intent
from bascule.services.intent_view import catalog
from bascule.services.outbox import Outbox
from bascule.services.seams import SystemClock, SystemEntropy
from bascule.storage import blocks, deposits, transfers
from bascule.storage.blocks import Read
from bascule.storage.database import Connection, Database, Timeouts
from bascule.storage.interleave import interleaved
from bascule.storage.transfers import Transfer

FINAL_AT_ONCE = 20  # blocks that become final together
TOKEN, STRANGER = Address(b"\xc0" * 20), Address(b"\x99" * 20)
CLOCK, ENTROPY = SystemClock(), SystemEntropy()
PATIENT = Timeouts(statement=600_000, idle_in_transaction=600_000)
# Of each block whom it pays, by number of intent.
Payments = Sequence[Sequence[int]]


class Watch:
    """When what is timed began and ended, in the machine's seconds."""

    began = ended = 0.0

    async def begin(self) -> None:
        """From here on it counts."""
        self.began = time.perf_counter()

    def end(self) -> None:
        """What comes after does not count."""
        self.ended = time.perf_counter()


async def matching_alone(db: Database, chain: int, payments: Payments, at_once: int, watch: Watch) -> None:
    """Matches blocks that are recorded already, some in a transaction; nothing is told.

    Not timed: they are finalized afterwards, so that the next run begins as this one did.
    """
    hashes = []
    for part in parts(payments, at_once):
        async with db.transaction() as conn:
            hashes.append(await record(conn, chain, part))
    await watch.begin()
    for block_hashes in hashes:
        async with db.transaction() as conn:
            await match(conn, chain, block_hashes)
    watch.end()
    async with db.transaction() as conn:
        await finalize(conn, chain)


async def match(conn: Connection, chain: int, block_hashes: Sequence[Hash]) -> None:
    """What `Arrivals.take` does, short of telling it."""
    found = await arrivals(chain).find(conn, block_hashes)
    happened = by_intent(found.owned, EventType.DEPOSIT_DETECTED)
    known = await catalog(conn)
    await interleaved(
        matcher.parts(happened),
        lambda ids: matcher.read(conn, ids),
        lambda rows: matcher.decide(rows, known, coming=found),
        lambda matched: matcher.write(
            conn, matched, [matches.change(each) for each in matched], happened, CLOCK.now(), found
        ),
    )


async def from_block_to_books(
    db: Database, chain: int, payments: Payments, at_once: int, watch: Watch
) -> None:
    """All that the watcher writes: some blocks in a transaction, finality for many at once."""
    await watch.begin()
    done = 0
    for part in parts(payments, at_once):
        async with db.transaction() as conn:
            await arrivals(chain).take(conn, await record(conn, chain, part))
        done += len(part)
        if done % FINAL_AT_ONCE == 0 or done == len(payments):
            async with db.transaction() as conn:
                await finalize(conn, chain)
    watch.end()


def arrivals(chain: int) -> Arrivals:
    """As the chain's watcher makes it."""
    return Arrivals(ChainId(chain), CLOCK, ENTROPY, Outbox(CLOCK, ENTROPY), Counter())


async def finalize(conn: Connection, chain: int) -> None:
    """Everything read so far becomes final and is booked, as the finalizer does it."""
    cursor = await blocks.cursor(conn, ChainId(chain))
    assert cursor is not None
    ref = await blocks.canonical_at(conn, ChainId(chain), cursor.last_number)
    assert ref is not None
    await blocks.finalize(conn, cursor, ref)
    final = await deposits.advance_finalize(conn, ChainId(chain), ref.number, CLOCK.now(), "finalized")
    await arrivals(chain).settle(conn, list(final), EventType.DEPOSIT_FINALIZED, final=final)


def parts(payments: Payments, at_once: int) -> list[Payments]:
    """The blocks of each transaction."""
    return [payments[start : start + at_once] for start in range(0, len(payments), at_once)]


async def record(conn: Connection, chain: int, payments: Payments) -> list[Hash]:
    """The next blocks, with a transfer of 10.00 to each of these intents, as the watcher records them."""
    cursor = await blocks.cursor(conn, ChainId(chain))
    assert cursor is not None
    read: list[Read] = []
    sent: list[Transfer] = []
    parent = cursor.last_hash
    for number, numbers in enumerate(payments, cursor.next_number):
        own_hash = Hash(hashlib.sha256(b"%d/%d" % (chain, number)).digest())
        block = BlockRef(number, own_hash, parent, int(time.time()))
        read.append(Read(block, "receipts"))
        sent += [paid(block, index, intent) for index, intent in enumerate(numbers)]
        parent = block.hash
    await blocks.move_cursor(conn, cursor, read[-1].ref)
    await blocks.record(conn, ChainId(chain), read)
    if (await transfers.record(conn, ChainId(chain), sent)).ours != len(sent):
        raise RuntimeError("a transfer to an open intent was not recognised")
    return [block.ref.hash for block in read]


def paid(block: BlockRef, index: int, intent: int) -> Transfer:
    """A transfer of 10.00 to an intent's address."""
    return Transfer(
        block_hash=block.hash,
        log_index=index,
        block_number=block.number,
        tx_hash=Hash(hashlib.sha256(b"%s/%d" % (block.hash, index)).digest()),
        token=TOKEN,
        src=STRANGER,
        dst=Address(hashlib.sha256(intent.to_bytes(8, "big")).digest()[:20]),
        amount=10_000_000,
        occurrence=0,
    )


KINDS = {"matched": matching_alone, "whole": from_block_to_books}


def say(line: str) -> None:
    """Tells whoever started this process."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Together(Watch):
    """Begins when whoever started this process says so."""

    async def begin(self) -> None:
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        await super().begin()


async def beside(url: str, chain: int, kind: str, at_once: int) -> None:
    """One chain's part of what several do side by side, all of it once before it is timed."""
    collect_rarely()
    payments: list[list[int]] = json.loads(sys.stdin.readline())
    watch = Together()
    async with Database(url, timeouts=PATIENT, pool_size=2) as db:
        await from_block_to_books(db, chain, [payments.pop()], 1, Watch())
        await KINDS[kind](db, chain, payments, at_once, watch)
    say(json.dumps([watch.began, watch.ended]))


if __name__ == "__main__":
    uvloop.run(beside(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
