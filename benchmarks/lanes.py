"""10,000 payouts in ten batches over eight lanes on the local chain: all final, none twice, memory flat.

Real contracts, watcher, signer process and books, with fsync on. The submitters of all lanes share a process,
so that its memory is theirs alone; chain and watcher are in the benchmark's own.
"""

from __future__ import annotations

import asyncio
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bascule.domain.approval import BatchItem
from bascule.domain.chain import Address, parse_address
from bascule.domain.hashing import keccak
from bascule.storage import addresses, lanes, signer_wallets
from bascule.storage.database import Database
from bascule.storage.embedded import EmbeddedPostgres
from bascule.storage.migrate import migrate
from bascule.storage.roles import PROCESSES, ensure_logins
from benchmarks._paying import MEMORY
from benchmarks._treasury import END, PASSWORD, PAYOUTS, approve_batch, signing
from benchmarks.harness import Figure

PAYMENTS, LANES, IN_A_BATCH, IN_A_SLOT = 10_000, 8, 1_000, 100
STUCK_S = 120.0  # without a payout that becomes final
FLAT = 1.2  # the most memory may be of the most in the first quarter


async def run(runs: int, scale: float) -> list[Figure]:
    """Once, however many runs are asked for: it is long, and right or wrong."""
    count = max(LANES * 10, round(PAYMENTS * scale))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        async with paying(folder) as (stage, memory):
            started, spent = time.perf_counter(), time.process_time()
            await ask(stage, count)
            await until_paid(stage, count)
            took, ours = time.perf_counter() - started, time.process_time() - spent
            await require_each_once(stage, count)
    early, late = growth(memory)
    if count >= PAYMENTS:  # a smaller run warms up from its beginning to its end
        require_flat(early, late)
    return [
        Figure(f"{count:,} payouts over {LANES} lanes, from asked for to final", "s", (took,)),
        Figure("the same: processor of chain and watcher", "s", (ours,)),
        Figure("submitters of all lanes: most memory in the first quarter", "MB", (early,)),
        Figure("submitters of all lanes: most memory", "MB", (late,), early * FLAT),
    ]


def growth(memory: Sequence[float]) -> tuple[float, float]:
    """The most in the first quarter of what was said, and the most of all."""
    return max(memory[: max(1, len(memory) // 4)]), max(memory)


def require_flat(early: float, late: float) -> None:
    """Returns when nobody gathers memory from payout to payout. Raises: RuntimeError."""
    if late > early * FLAT:
        raise RuntimeError(
            f"the submitters took {early:.1f} MB in the first quarter and {late:.1f} MB later,"
            f" at most {FLAT:g} times as much is flat"
        )


@asynccontextmanager
async def paying(folder: Path) -> AsyncIterator[tuple[Any, list[float]]]:
    """A treasury whose lanes are worked by a process; and what that one says of its memory."""
    from bascule.signing.keystore import create_keystore
    from tests.support.money_out import treasury

    keys, socket = folder / "keys", folder / "s.sock"
    keys.mkdir()
    words = {process: secrets.token_urlsafe(16) for process in PROCESSES}
    async with AsyncExitStack() as stack:
        url = stack.enter_context(EmbeddedPostgres(folder / "postgres"))
        await migrate(url.database("postgres"))
        owner = await stack.enter_async_context(Database(url.database("postgres"), pool_size=2))
        async with owner.read() as conn:
            logins = await ensure_logins(conn, "postgres", words)
        urls = {who: url.database("postgres", user=logins[who], password=words[who]) for who in words}

        async def open_as(role: str) -> Database:
            return await stack.enter_async_context(Database(urls.get(role) or owner.url, pool_size=2))

        # the signer's process has the time of day, and signs no batch that runs for more than an hour of it
        stage = await stack.enter_async_context(treasury(open_as, folder, start=datetime.now(UTC)))
        operators = [stage.node.accounts[n] for n in (1, 5, 6, 7, 8, 9, 3, 4)][:LANES]
        for lane, account in enumerate(operators):
            secret = bytes.fromhex(account.private_key[2:])
            create_keystore(keys / f"{lane}.json", PASSWORD, secret=secret, rounds=2)
            if lane:
                await open_lane(stage, lane, account.address)
        stack.enter_context(signing(urls["signer"], keys, socket))
        memory: list[float] = []
        command = [sys.executable, "-m", "benchmarks._paying"]
        process = await asyncio.create_subprocess_exec(
            *command,
            urls["submitter"],
            stage.node.url,
            str(socket),
            str(LANES),
            str(stage.clock.now().timestamp() - time.time()),
            stdout=asyncio.subprocess.PIPE,
        )
        listening = asyncio.create_task(_listen(process, memory))
        try:
            yield stage, memory
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            await listening


async def open_lane(stage: Any, lane: int, operator: str) -> None:
    """The lane stands in rows, in the signer and in the vault."""
    name, wallet, chain_id = f"vault-{lane}", parse_address(operator), stage.network.chain_id
    async with stage.owner.transaction() as conn:
        await addresses.add_own(conn, chain_id, wallet, "wallet")
        await lanes.add_wallet(conn, chain_id, wallet, name=name)
        await lanes.open(
            conn, chain_id, lane=lane, name=name, vault=parse_address(stage.vault), wallet=wallet
        )
        await signer_wallets.add(conn, chain_id, wallet)
    await stage.vault_owner("setLane(uint32,address)", lane, operator)
    await stage.follow(3)


async def ask(stage: Any, count: int) -> None:
    """Batches of payouts of 1.00 to as many payees, approved by two and held."""
    from tests.support.money_out import approver

    token, vault, chain_id = Address(stage.token.contract), parse_address(stage.vault), stage.network.chain_id
    people = [bytes.fromhex(approver(n).private_key[2:]) for n in (1, 2)]
    stage.tells = False  # what is written here as rows, nobody told of
    for first in range(0, count, IN_A_BATCH):
        items = [
            BatchItem(f"po_{n:08d}", token, Address(keccak(b"payee %d" % n)[12:]), 1_000_000)
            for n in range(first, min(count, first + IN_A_BATCH))
        ]
        async with stage.owner.transaction() as conn:
            batch_id = await approve_batch(
                conn, items, account=stage.operator, chain_id=chain_id, vault=vault, by=people
            )
            asked = {
                "account": stage.operator,
                "token": stage.token.id,
                "chain_id": chain_id,
                "vault": bytes(vault),
                "end": END,
                "state": "pending",
                "ids": [item.payout for item in items],
                "destinations": [bytes(item.to) for item in items],
                "amounts": [item.amount for item in items],
                "batches": [batch_id for _ in items],
                "places": list(range(len(items))),
            }
            await conn.execute(PAYOUTS.encode(), asked)
            await conn.execute("SELECT ledger.post_hold(id) FROM payouts WHERE id = ANY (%s)", [asked["ids"]])


async def until_paid(stage: Any, count: int) -> None:
    """Mines and reads until every payout is final."""
    done, since = 0, time.perf_counter()
    while done < count:
        await stage.follow(1)
        await asyncio.sleep(0.2)
        [(paid,)] = await stage.rows("SELECT count(*) FROM payouts WHERE state = 'paid'")
        if paid > done:
            done, since = paid, time.perf_counter()
        if time.perf_counter() - since > STUCK_S:
            raise RuntimeError(f"{paid} of {count} payouts are final, and nothing happens")


async def require_each_once(stage: Any, count: int) -> None:
    """One Transfer to each payee, every lane worked, the books sound, or the figures are worth nothing."""
    times = Counter(payee for payee, _ in await stage.transfers_out())
    if len(times) != count or set(times.values()) != {1}:
        raise RuntimeError(f"{sum(times.values())} Transfers to {len(times)} payees, {count} were asked for")
    [(used,)] = await stage.rows("SELECT count(DISTINCT lane) FROM slots WHERE kind = 'pay'")
    if used < min(LANES, count // IN_A_SLOT):
        raise RuntimeError(f"{used} of {LANES} lanes paid")
    await stage.require_truth()


async def _listen(process: asyncio.subprocess.Process, memory: list[float]) -> None:
    assert process.stdout is not None
    async for line in process.stdout:
        said = line.decode()
        if said.startswith(MEMORY):  # among what it logs
            memory.append(float(said.removeprefix(MEMORY)))
