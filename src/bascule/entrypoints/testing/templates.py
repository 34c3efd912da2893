"""What all tests of a session start from: a chain with its contracts, a database with its schema and people.

Both are made once, when the first test asks, and copied for each test: 20 ms a chain, 20 ms a database.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

import psycopg

from bascule.entrypoints import wallet_keys
from bascule.entrypoints.dev import bring_up, ground
from bascule.entrypoints.dev.installation import Installation
from bascule.entrypoints.testing import bridge as bridges
from bascule.entrypoints.testing import inside
from bascule.entrypoints.testing.background import Background
from bascule.entrypoints.testing.chain import Chain, opened
from bascule.entrypoints.testing.clock import TestClock
from bascule.entrypoints.testing.postgres import copy_database, drop_database, throwaway_folder
from bascule.storage.embedded import EmbeddedPostgres, ServerUrl
from bascule.storage.roles import login_of

TEMPLATE = "bascule_template"
NOWHERE = "http://127.0.0.1:1"  # each test's API has an address of its own
BEGIN_S = 20.0


@dataclass(frozen=True)
class Server:
    """The session's PostgreSQL."""

    url: ServerUrl
    admin: psycopg.Connection[tuple[object, ...]]


class Templates:
    """The session's folder and what is made in it. Used by one thread, the session's main one."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self._stack = stack
        self._numbers = count(1)
        self.installation = Installation(folder / "installation")

    @cached_property
    def laid(self) -> ground.Ground:
        """What stands on the chain that every test's chain is a copy of."""
        self.installation.open()
        self._stack.callback(self.installation.close)
        with Background() as background:
            return background.run(self._lay())

    @cached_property
    def server(self) -> Server:
        """PostgreSQL, which the kernel ends with the thread that started it."""
        url = self._stack.enter_context(EmbeddedPostgres(self.folder / "postgres", volatile=True))
        admin = self._stack.enter_context(psycopg.connect(url.database("postgres"), autocommit=True))
        return Server(url, admin)

    @cached_property
    def ready(self) -> dict[str, Any]:
        """What `bascule dev` would say; the database it is true of is every test's template."""
        url = self.server.url.database(TEMPLATE)
        copy_database(self.server.admin, TEMPLATE, "template0")
        assert self.laid.vault, "contracts stand before the database is told of them"
        with Background() as background:
            return background.run(self._bring_up(url))

    @contextmanager
    def chain(self) -> Iterator[Chain]:
        """A chain of a test's own, at the state of the template."""
        clock, laid = TestClock(), self.laid
        folder = self.folder / f"chain-{next(self._numbers)}"
        try:
            with (
                Background() as background,
                background.within(opened(folder, clock, stored=self._stored)) as standing,
            ):
                yield Chain(background, clock, standing, laid)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def database(self) -> Iterator[str]:
        """A database of a test's own, at the state of the template; gives its name."""
        assert self.ready, "the template stands before it is copied"
        name = f"bascule_{next(self._numbers)}"
        copy_database(self.server.admin, name, TEMPLATE)
        try:
            yield name
        finally:
            drop_database(self.server.admin, name)

    @contextmanager
    def bridge(self, chain: Chain) -> Iterator[bridges.Bridge]:
        """A bridge of a test's own on its chain."""
        with self.database() as name:
            place = self._place(name, chain.url)
            with bridges.opened(chain, place, self.ready) as made:
                yield made

    def _place(self, database: str, rpc_url: str) -> inside.Place:
        owner_url, passwords = self.server.url.database(database), self.installation.secrets().passwords
        return inside.Place(
            config=self.installation.config,
            owner_url=owner_url,
            urls={
                role: bring_up.as_login(owner_url, login_of(TEMPLATE, role), password)
                for role, password in passwords.items()
            },
            rpc_url=rpc_url,
            socket=self.folder / f"{database}.sock",
        )

    @property
    def _stored(self) -> Path:
        return self.folder / "chain"

    async def _lay(self) -> ground.Ground:
        secrets = self.installation.secrets()
        keys = (
            secrets.lane_key, secrets.sweeper_key, secrets.gas_key, secrets.anchor_key, secrets.x402_key
        )  # fmt: skip
        lane, *spenders = [wallet_keys.wallet_of(key) for key in keys]
        async with opened(self._stored, TestClock()) as standing:
            return await ground.lay_at_once(standing.dev, standing.rpc, lane, spenders)

    async def _bring_up(self, owner_url: str) -> dict[str, Any]:
        """A bridge that has begun: the head is its first block, final at once, and what is held is booked."""
        clock = TestClock()
        async with opened(self._stored, clock) as standing:
            where = bring_up.Where(owner_url, standing.dev.url, NOWHERE, "127.0.0.1", 1)
            ready = await bring_up.bring_up(self.installation, where)
            await standing.rpc.call("bascule_setFinality", {"safe": 0, "finalized": 0})
            async with inside.opened(self._place(TEMPLATE, standing.dev.url), clock) as begun:
                await begun.settle(BEGIN_S)
        return ready


@contextmanager
def templates() -> Iterator[Templates]:
    """A session's templates, made when they are asked for; nothing of them is left at the end."""
    with ExitStack() as stack:
        yield Templates(stack.enter_context(throwaway_folder()), stack)
