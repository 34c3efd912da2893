"""Two submitters and two signers of one lane, killed again and again while payouts come in.

They are processes of their own beside a running `bascule dev`, whose own submitter sleeps meanwhile, past its
lease, and wakes in the end.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.synchronize import Event as SharedEvent
from pathlib import Path
from threading import Event

from tests.support.kill_driver import Driver, until
from tests.support.kills import pid_of

NAMES = ("submitter-1", "submitter-2", "signer-1", "signer-2")
LEASE_S = "1"
PATIENCE_S = 300.0
EACH_AT_WORK = 1
ONE_MORE_S = 1.0
UNDER_WAY = "SELECT 1 FROM payouts WHERE state IN ('pending', 'in_transit') LIMIT 1"
# What each process would load by itself, once for all: a life is shorter than that takes.
PRELOADED = (
    "uvloop",
    "bascule.entrypoints.contracts.start_up",
    "bascule.entrypoints.flushing",
    "bascule.entrypoints.logs",
    "bascule.entrypoints.operating",
    "bascule.entrypoints.signer_client",
    "bascule.entrypoints.signer_server",
    "bascule.entrypoints.signing_keys",
    "bascule.entrypoints.wiring",
    "bascule.services.signer",
    "bascule.services.submitter",
    "bascule.signing.keystore",
)


def work(name: str, config: str, folder: str, lane: str, ready: SharedEvent) -> None:
    """One process, until it is killed. The n-th submitter asks the n-th signer. ready: set once it works."""
    from bascule.entrypoints import logs, wiring

    kind, _, number = name.partition("-")
    with Path(folder, f"{name}.log").open("a", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    told = {"BASCULE_CONFIG": config, "BASCULE_LEASE_S": LEASE_S}
    settings = wiring.load({**told, "BASCULE_SIGNER_SOCKET": str(Path(folder, f"{number}.sock"))})
    logs.configure(name, settings.log_level)

    async def run(stop: object) -> None:
        if kind == "signer":
            await wiring.signer(settings, ready=lambda _: ready.set(), stop=stop)  # type: ignore[arg-type]
        else:
            await wiring.submitter(settings, [lane], ready=lambda _: ready.set(), stop=stop)  # type: ignore[arg-type]

    wiring.run(run)


class Loop:
    """The four processes. lives: how many were started under each name."""

    def __init__(self, config: Path, folder: Path, lane: str) -> None:
        self._context: ForkServerContext = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(PRELOADED))
        self._given = (str(config), str(folder), lane)
        self._running: dict[str, ForkServerProcess] = {}
        self._ready: dict[str, SharedEvent] = {}
        self.lives = dict.fromkeys(NAMES, 0)
        for name in NAMES:
            self._start(name)

    def kill_for(self, seconds: float, driver: Driver, chance: random.Random) -> Counter[str]:
        """Kills a ready one every 50 to 500 ms; returns how many while payouts were under way, by name.

        Each of them is killed at work once at least, however long that takes.
        """
        ends, kills = time.monotonic() + seconds, Counter[str]()
        while (late := time.monotonic() - ends) < 0 or self.too_seldom(kills):
            missing = self.too_seldom(kills)
            assert late < PATIENCE_S, f"not killed at work: {missing}, of {kills}"
            time.sleep(chance.uniform(0.05, 0.5))
            wanted = NAMES if late < 0 else missing
            ready = [name for name in wanted if self._ready[name].is_set()]
            if not ready:
                continue
            name = chance.choice(ready)
            kills[name] += driver.sql(UNDER_WAY) != []
            self._running[name].kill()
            self._running[name].join()
            self._start(name)
        return kills

    @staticmethod
    def too_seldom(kills: Mapping[str, int]) -> list[str]:
        """Who was not yet killed at work as often as each is to be."""
        return [name for name in NAMES if kills.get(name, 0) < EACH_AT_WORK]

    def end(self) -> None:
        """Everybody is gone."""
        for process in self._running.values():
            process.kill()
            process.join()

    def _start(self, name: str) -> None:
        self._ready[name] = self._context.Event()
        given = (name, *self._given, self._ready[name])
        process = self._context.Process(target=work, args=given, daemon=True)
        process.start()
        self._running[name] = process
        self.lives[name] += 1


@contextmanager
def loop(config: Path, folder: Path, lane: str) -> Iterator[Loop]:
    """The four, until the block ends."""
    made = Loop(config, folder, lane)
    try:
        yield made
    finally:
        made.end()


@contextmanager
def asleep(folder: Path, parent: int, victim: str) -> Iterator[None]:
    """A process of `bascule dev` is stopped within, and wakes up believing that no time has passed."""
    found: list[int] = []
    until(lambda: bool(found.extend(pid_of(folder, parent, victim)) or found), f"{victim} to be there")
    with ExitStack() as stack:
        for pid in found:
            os.kill(pid, signal.SIGSTOP)
            stack.callback(os.kill, pid, signal.SIGCONT)
        yield


def asking(driver: Driver, payouts: int, enough: Event) -> Future[None]:
    """Somebody asks for so many payouts at least, each approved by two, and for more until it is enough."""

    def ask() -> None:
        for number in itertools.count():
            if number >= payouts and enough.wait(timeout=ONE_MORE_S):
                return
            driver.payout(f"0.{number % 90 + 10}")

    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(ask)
    finally:
        pool.shutdown(wait=False)


def require_nonces_explained(driver: Driver) -> None:
    """The lane's wallet sent on chain exactly its final slots, each by bytes that were stored before."""
    [(wallet,)] = driver.sql("SELECT '0x' || encode(wallet, 'hex') FROM lanes")
    height = int(driver.rpc("eth_blockNumber"), 16)
    sent = {}
    for number in range(height + 1):
        for each in driver.rpc("eth_getBlockByNumber", hex(number), True)["transactions"]:
            if each["from"].lower() == wallet:
                sent[int(each["nonce"], 16)] = each["hash"]
    final = driver.sql(
        "SELECT a.nonce, '0x' || encode(a.tx_hash, 'hex') FROM attempts a"
        " JOIN lanes USING (wallet) WHERE a.state = 'final'"
    )
    assert sent == dict(final), "each transaction on chain is the final attempt of its nonce"
    assert sorted(sent) == list(range(len(sent))), "no nonce is missing"
    taken = driver.sql("SELECT s.nonce FROM slots s JOIN lanes USING (wallet) ORDER BY s.nonce")
    assert [nonce for (nonce,) in taken] == sorted(sent), "no slot is left, and none is unexplained"
