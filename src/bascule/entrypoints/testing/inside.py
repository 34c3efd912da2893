"""A whole bridge in the test's process: the API and the signer always run, the workers when they are told to.

It is built by wiring, as the processes of an installation are, under their own database logins. Only time is
the test's, and nothing works in between, so that a test sees each state that it asks for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bascule.domain.errors import BasculeError, Halted, Retryable
from bascule.entrypoints import wiring
from bascule.entrypoints.dev.bring_up import LANE_NAME
from bascule.entrypoints.devchain.node import DEFAULT_CHAIN_ID
from bascule.entrypoints.mailbox import Mailbox, receiving
from bascule.entrypoints.ports import listen
from bascule.entrypoints.schedule import Worker
from bascule.entrypoints.telling import telling
from bascule.entrypoints.testing.clock import TestClock
from bascule.services.expirer import Expirer
from bascule.services.reconciler import Reconciler

CHAIN = str(DEFAULT_CHAIN_ID)
PAUSE_S = 0.02


class NotSettled(BasculeError):
    """The services did not come to rest; the message says what they still wait for."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bridge is put. config: what `bring_up` wrote; urls: by role; socket: the signer's."""

    config: Path
    owner_url: str
    urls: Mapping[str, str]
    rpc_url: str
    socket: Path


class Inside:
    """The running parts of a `Bridge`, for the loop they live in."""

    def __init__(
        self, api_url: str, mailbox_url: str, mailbox: Mailbox, parts: list[wiring.Work], seams: wiring.Seams
    ) -> None:
        self.api_url, self.mailbox_url, self.mailbox = api_url, mailbox_url, mailbox
        self.seams = seams
        self._loops = [loop for part in parts for loop in part.loops]
        self._due = [due.worker for part in parts for due in part.due]
        [self.reconciler] = [worker for worker in self._due if isinstance(worker, Reconciler)]

    async def settle(self, within: float) -> None:
        """Gives every worker its turn until none has anything to do. Raises: NotSettled."""
        deadline = asyncio.get_running_loop().time() + within
        workers = [loop.worker for loop in self._loops]
        workers += [worker for worker in self._due if isinstance(worker, Expirer)]
        while True:
            waiting: dict[str, str] = {}
            done = [await _turn(worker, waiting) for worker in workers]
            busy = [loop.worker.name for loop in self._loops if loop.busy()]
            if not any(done) and not busy and not waiting:
                return
            if asyncio.get_running_loop().time() > deadline:
                raise NotSettled(_why(within, waiting, busy))
            if not any(done):
                await asyncio.sleep(PAUSE_S)


async def _turn(worker: Worker, waiting: dict[str, str]) -> int:
    """What the worker did; what keeps it from working is noted. A halt needs a person: it is raised."""
    try:
        return await worker.run_once()
    except Retryable as reason:
        waiting[worker.name] = str(reason)
        return 0
    except Halted as reason:
        raise NotSettled(f"{worker.name} has halted: {reason}") from reason


def _why(within: float, waiting: Mapping[str, str], busy: list[str]) -> str:
    told = [f"{name} waits: {reason}" for name, reason in waiting.items()]
    told += [f"{name} is still sending" for name in busy]
    return f"not settled after {within:g} s; " + ("; ".join(told) or "there is always more to do")


@asynccontextmanager
async def opened(place: Place, clock: TestClock) -> AsyncIterator[Inside]:
    """A bridge that answers at a free port; stopped, and its port free again, at the end."""
    async with AsyncExitStack() as stack:
        listening = stack.enter_context(listen("127.0.0.1", 0))
        api_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        settings = _settings(place, api_url)
        seams = wiring.Seams(settings, clock)
        mailbox = Mailbox(now=clock.seconds)
        mailbox_url = await stack.enter_async_context(receiving(mailbox))
        await stack.enter_async_context(_running(wiring.signer, settings, seams=seams))
        await stack.enter_async_context(_running(wiring.api, settings, seams=seams, listening=listening))
        parts = [
            await stack.enter_async_context(part)
            for part in (
                wiring.watching(settings, CHAIN, seams),
                wiring.paying(settings, [f"{CHAIN}/{LANE_NAME}"], seams),
                telling(settings, seams),
            )
        ]
        yield Inside(api_url, mailbox_url, mailbox, parts, seams)


def _settings(place: Place, api_url: str) -> wiring.Settings:
    """The template's settings, at this test's own addresses."""
    return wiring.load(
        {
            "BASCULE_CONFIG": str(place.config),
            "BASCULE_CHAINS": f"{CHAIN}={place.rpc_url}",
            "BASCULE_PUBLIC_URL": api_url,
            "BASCULE_SIGNER_SOCKET": str(place.socket),
            **{f"BASCULE_DATABASE_URL_{role.upper()}": url for role, url in place.urls.items()},
        }
    )


@asynccontextmanager
async def _running(process: Callable[..., Awaitable[None]], *given: Any, **more: Any) -> AsyncIterator[None]:
    """A process's main as a task, from its ready to its end. Raises what it ended by."""
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.ensure_future(process(*given, **more, ready=lambda _: ready.set(), stop=stop))
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([task, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    try:
        if not task.done():
            yield
    finally:
        stop.set()
        await task
