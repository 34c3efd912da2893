"""Payouts durably reserved and signed through the real signer process, counted at the commit of the bytes.

Vault batches of 100 under one approval of two signatures, one batch a lane and as many lanes as batches;
beside it slots of one payout with two approvals each, and what nobody can be faster than: the signatures
alone, the commits alone. And idle: from the commit of the last approval until the bytes are sent.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bascule.chain.signatures import recover
from bascule.domain.hashing import keccak
from bascule.entrypoints.schedule import Loop, run_all
from bascule.storage import ledger, payouts
from benchmarks._treasury import APPROVERS, CLOCK, Treasury, sign, treasury
from benchmarks.harness import Figure

BATCHES, ITEMS, SINGLES, IDLE = 40, 100, 40, 11
COMMITS = 4  # of a batch: reservation, intent in the signer, bytes in the signer, attempt
SIGNED = """
SELECT count(*), count(DISTINCT p.id)
  FROM payouts AS p
  JOIN signer.items AS s ON s.payout_id = p.id AND s.vault_id = p.vault_id
  JOIN slot_items AS i ON i.payout_id = p.id
  JOIN attempts AS a ON (a.chain_id, a.wallet, a.nonce) = (i.chain_id, i.wallet, i.nonce)
 WHERE p.id = ANY (%s) AND p.state = 'in_transit'
"""
Taken = tuple[float, tuple[float, float, float]]


async def run(runs: int, scale: float) -> list[Figure]:
    """Each run has lanes of its own. As many batches before them are not measured, nor is the first single
    payout: a process that runs for days has its connections and plans.
    """
    batches, singles = max(2, round(BATCHES * scale)), max(2, round(SINGLES * scale))
    idle = max(3, round(IDLE * scale))
    lanes = batches + 1 + runs * (batches + singles + idle)
    with tempfile.TemporaryDirectory() as folder:
        async with treasury(Path(folder), lanes) as stage:
            await rate(stage, batches, ITEMS)
            await rate(stage, 1, 1)
            together = [await rate(stage, batches, ITEMS) for _ in range(runs)]
            alone = [await rate(stage, singles, 1) for _ in range(runs)]
            waits = [await waiting(stage, idle) for _ in range(runs)]
            commits = [await commit_alone(stage) for _ in range(runs)]
    signatures = [signing_alone(ITEMS) for _ in range(runs)]
    return [
        *told("payout, in batches of 100 with one approval of two signatures", together, 250.0),
        *told("payout, in a slot of its own with two approvals", alone, None),
        Figure(
            "limit: signatures of a batch alone, two recovered and one made", "µs a payout", tuple(signatures)
        ),
        Figure("limit: four commits of a batch alone, one after the other", "µs a payout", tuple(commits)),
        Figure("idle: from the last approval's commit until the bytes are sent", "ms", tuple(waits), 250.0),
    ]


def told(name: str, taken: list[Taken], bound: float | None) -> list[Figure]:
    """The clock's figure, which a crowd spoils, its inverse, and the processors', by process."""
    parts = ("submitter", "signer", "PostgreSQL")
    return [
        Figure(f"{name}: signed", "a second", tuple(1e6 / clock for clock, _ in taken)),
        Figure(name, "µs", tuple(clock for clock, _ in taken), bound),
        Figure(f"{name}: processors", "µs", tuple(sum(spent) for _, spent in taken)),
        *(
            Figure(f"{name}: processor of {part}", "µs", tuple(spent[n] for _, spent in taken))
            for n, part in enumerate(parts)
        ),
    ]


async def rate(stage: Treasury, lanes: int, items: int) -> Taken:
    """µs a payout, on the clock and of processors, until the bytes of every lane are committed."""
    workers = await stage.open_lanes(lanes, items)
    for worker in workers:
        await worker.run_once()  # finds its lane as its rows say: once for each lease, not for each batch
    ids = []
    for _ in range(lanes):
        ids += await stage.ask(items, together=items > 1)
    stage.chain.open.clear()
    before, started = stage.processors(), time.perf_counter()
    running = [asyncio.create_task(worker.run_once()) for worker in workers]
    last = max([await asyncio.wait_for(stage.saved.at.get(), 120) for _ in workers])
    after = stage.processors()
    stage.chain.open.set()
    await asyncio.gather(*running)
    await require_signed(stage, ids)
    per = 1e6 / len(ids)
    ours, signers, servers = (b - a for a, b in zip(before, after, strict=True))
    return (last - started) * per, (ours * per, signers * per, servers * per)


async def require_signed(stage: Treasury, ids: Sequence[str]) -> None:
    """Each payout is in the signer's ledger and in a slot with bytes, or the figures are worth nothing."""
    async with stage.owner.read() as conn:
        found = await conn.execute(SIGNED, [ids])
        [(rows, different)] = await found.fetchall()
    if (rows, different) != (len(ids), len(ids)):
        raise RuntimeError(f"{rows} of {len(ids)} payouts were signed")


async def waiting(stage: Treasury, times: int) -> float:
    """The median over idle lanes of production's loop: it polls twice a second, an approval wakes it."""
    found = []
    for worker in await stage.open_lanes(times, ITEMS):
        [payout] = await stage.ask(1, together=False, approved=False)
        stage.chain.open.set()
        stop = asyncio.Event()
        loop = Loop(worker, 0.5, channel="bascule_payouts")
        looping = asyncio.create_task(run_all(stage.submitters, CLOCK, loops=[loop], stop=stop))
        await asyncio.sleep(0.7)  # it has looked, and waits
        while not stage.chain.offered.empty():
            stage.chain.offered.get_nowait()
        async with stage.owner.transaction() as conn:
            row = await payouts.lock(conn, payout)
            assert row is not None
            await payouts.advance_to_pending(conn, row)
            await ledger.post_hold(conn, payout)
        approved = time.perf_counter()
        found.append((await asyncio.wait_for(stage.chain.offered.get(), 30) - approved) * 1_000)
        stop.set()
        await looping
    return statistics.median(found)


async def commit_alone(stage: Treasury) -> float:
    """µs a payout for as many durable commits as a batch takes, of one row each."""
    async with stage.owner.read() as conn:
        await conn.execute("CREATE TABLE IF NOT EXISTS committed (n integer)")
        started = time.perf_counter()
        for n in range(50 * COMMITS):
            await conn.execute("INSERT INTO committed VALUES (%s)", [n])
        return (time.perf_counter() - started) / 50 / ITEMS * 1e6


def signing_alone(items: int) -> float:
    """µs a payout of secp256k1 for a batch: two approvals recovered, one transaction signed."""
    digest = keccak(b"anything")
    given = [sign(key, digest) for key in APPROVERS[:2]]
    started = time.perf_counter()
    for _ in range(200):
        for signature in given:
            recover(digest, signature)
        sign(APPROVERS[0], digest)
    return (time.perf_counter() - started) / 200 / items * 1e6
