"""The only place where things are constructed: each process from its settings, with nothing it does not need.

Every builder opens what the process stands on, refuses what must not be (schema, role, chain, keystore), says
that it is ready, and works until `stop`. What works by turns is built apart (`watching`, `paying`, and in its
own file `telling`) so that a test can take the turns itself. Heavy modules are imported by the
process that needs them.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bascule.chain import families, heads
from bascule.domain.errors import Halted, Rejected
from bascule.entrypoints import laning, rating, schedule
from bascule.entrypoints.descriptors import raise_limit
from bascule.entrypoints.garbage import collect_rarely
from bascule.entrypoints.nodes import keeping, measured, nodes, pardoning, tended
from bascule.entrypoints.ports import listen
from bascule.entrypoints.remembering import log_seen
from bascule.entrypoints.schedule import Due, Loop
from bascule.services import restore
from bascule.services.failpoints import Failpoints
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock, SystemClock, SystemEntropy
from bascule.settings import BadConfiguration, ChainSettings, Settings, load
from bascule.storage import networks, overview, tokens
from bascule.storage.database import Database
from bascule.storage.migrate import require_schema
from bascule.storage.networks import Network
from bascule.storage.roles import group_of

if TYPE_CHECKING:
    from bascule.entrypoints.metrics import Meters

# Settings are read here alone; who needs their type or a value asks wiring.
__all__ = ["BadConfiguration", "ChainSettings", "Ready", "Seams", "Settings", "Unfit", "load", "nodes"]

Ready = Callable[[Mapping[str, Any]], None]
DEVELOPMENT_CHAINS = families.DEVELOPMENT


class Seams:
    """The real clock, unless another is given, and randomness, and what tells of happenings with them."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.clock = clock or SystemClock()
        self.entropy = SystemEntropy()
        self.outbox = Outbox(self.clock, self.entropy)
        self.failpoints = failpoints(settings)


def failpoints(settings: Settings) -> Failpoints:
    """A process may be armed to kill itself only where no real money is. Raises: BadConfiguration."""
    real = [chain.id for chain in settings.chains if chain.id not in DEVELOPMENT_CHAINS]
    if settings.failpoints and (real or not settings.chains):
        raise BadConfiguration(
            "BASCULE_FAILPOINTS",
            "is for development chains alone",
            "unset it, or BASCULE_CHAINS=31337=http://127.0.0.1:8545",
        )
    try:
        return Failpoints(dict(settings.failpoints))
    except ValueError as error:
        raise BadConfiguration(
            "BASCULE_FAILPOINTS", f"cannot be used: {error}", "watcher.after_commit=1"
        ) from None


async def refuse_local_webhooks(settings: Settings, db: Database) -> None:
    """Webhooks to this machine are a hole in a real installation."""
    if not settings.webhook_allow_local:
        return
    async with db.read() as conn:
        live = await overview.live_keys(conn)
    if live:
        raise BadConfiguration(
            "BASCULE_WEBHOOK_ALLOW_LOCAL",
            f"is true beside {live} live keys",
            "BASCULE_WEBHOOK_ALLOW_LOCAL=false",
        )


# Whose statements are many and short, each by key: to plan one takes longer than to run it.
PLANNED_ONCE = frozenset({"submitter", "signer"})


@asynccontextmanager
async def database(settings: Settings, role: str) -> AsyncIterator[Database]:
    """The role's own database. Raises: Retryable (no answer), Halted (wrong schema or rights)."""
    db = Database(
        settings.database_of(role), name=f"bascule {role}", pool_size=settings.database_pool_size,
        plan_once=role in PLANNED_ONCE,
    )  # fmt: skip
    async with db:
        await db.check_role(group_of(role))
        await require_schema(db, "signer" if role == "signer" else "bridge")
        yield db


class Unfit(Halted):
    """Something works, but not well enough to trust."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__(message)
        self.next_step = next_step


@asynccontextmanager
async def owner(settings: Settings) -> AsyncIterator[Database]:
    """The database under its owner's login, for administration from the command line."""
    db = Database(settings.need("database_url"), name="bascule cli", pool_size=2)
    async with db:
        await require_schema(db, "bridge")
        yield db


async def network_of(db: Database, chain: str) -> Network:
    """A network by its chain id or its name. Raises: Rejected when we do not serve it."""
    async with db.read() as conn:
        every = await networks.every(conn)
    for network in every:
        if chain in (str(network.chain_id), network.name):
            return network
    served = ", ".join(f"{network.chain_id} ({network.name})" for network in every) or "none"
    raise Rejected("chain_unknown", f"there is no chain {chain}", next_step=f"chains here: {served}")


@dataclass(frozen=True, slots=True)
class Work:
    """What a process does by turns, ready to be run. facts: what it says of itself when it is ready."""

    db: Database
    facts: Mapping[str, Any]
    loops: Sequence[Loop]
    due: Sequence[Due] = ()
    meters: Meters | None = None

    async def run(self, settings: Settings, seams: Seams, ready: Ready, stop: asyncio.Event) -> None:
        """Takes every turn until `stop`, and serves what operators look at."""
        from bascule.entrypoints.operating import operated

        collect_rarely()
        async with operated(settings, self.db, seams.clock, self.meters) as said:
            ready({**self.facts, **said})
            await schedule.run_all(
                self.db, seams.clock, loops=self.loops, due=self.due, stop=stop, failpoints=seams.failpoints,
                halted=None if self.meters is None else self.meters.halted,
            )  # fmt: skip


async def watcher(settings: Settings, chain: str, *, ready: Ready, stop: asyncio.Event) -> None:
    """Reads one chain until `stop`."""
    seams = Seams(settings)
    async with watching(settings, chain, seams) as work:
        await work.run(settings, seams, ready, stop)


@asynccontextmanager
async def watching(settings: Settings, chain: str, seams: Seams) -> AsyncIterator[Work]:
    """A watcher of one chain; its lease is given back at the end."""
    from bascule.entrypoints.contracts.start_up import require_contracts
    from bascule.entrypoints.token_checks import require_tokens
    from bascule.services.finalizer import adopt_policy
    from bascule.services.watcher import Watcher

    meters = measured(settings)
    async with (
        database(settings, "watcher") as db,
        nodes(settings, db.refuse_open_transaction, meters) as rpcs,
    ):
        network = await network_of(db, chain)
        configured = settings.chain(network.chain_id)
        await heads.require_chain(rpcs[network.chain_id], network.chain_id)
        await require_contracts(settings.deployments, rpcs[network.chain_id], network)
        async with db.read() as conn:
            known = [token for token in await tokens.every(conn) if token.chain_id == network.chain_id]
        await require_tokens(rpcs[network.chain_id], configured, known)
        seen = log_seen(settings.state_folder)
        async with db.read() as conn:  # what is read before lost addresses are watched may not be found again
            await restore.require_known(conn, seen)
        network = await adopt_policy(db, network, configured.finality or network.finality)
        worker = Watcher(
            db, rpcs[network.chain_id], network, clock=seams.clock, entropy=seams.entropy,
            outbox=seams.outbox, failpoints=seams.failpoints, lease_seconds=settings.lease_s,
            log_seen=seen,
        )  # fmt: skip
        if meters is not None:
            meters.watcher = worker
        loop = Loop(worker, configured.poll_interval_ms / 1000)
        loops = [loop, pardoning(db, rpcs)]
        yield Work(db, {"chain_id": network.chain_id}, loops, meters=meters)
        await worker.release()


async def submitter(
    settings: Settings, lanes: Sequence[str], *, ready: Ready, stop: asyncio.Event
) -> None:  # fmt: skip
    """Works lanes of one chain (`CHAIN/NAME`) until `stop`."""
    seams = Seams(settings)
    async with paying(settings, lanes, seams) as work:
        await work.run(settings, seams, ready, stop)


@asynccontextmanager
async def paying(settings: Settings, lanes: Sequence[str], seams: Seams) -> AsyncIterator[Work]:
    """A submitter for each lane (`CHAIN/NAME`) of one chain; the leases are given back at the end."""
    from bascule.entrypoints.contracts.start_up import require_contracts
    from bascule.entrypoints.flushing import submitter_settings
    from bascule.entrypoints.signer_client import SignerClient
    from bascule.entrypoints.signer_doors import asked_at
    from bascule.services.pace import Pace
    from bascule.services.submitter import Submitter

    chain, names = laning.split(lanes)
    meters = measured(settings)
    async with (
        database(settings, "submitter") as db,
        nodes(settings, db.refuse_open_transaction, meters) as rpcs,
    ):
        network = await network_of(db, chain)
        configured = settings.chain(network.chain_id)
        rpc = rpcs[network.chain_id]
        await heads.require_chain(rpc, network.chain_id)
        await require_contracts(settings.deployments, rpc, network)
        async with SignerClient(asked_at(settings), guard=db.refuse_open_transaction) as signer:
            flushed: Counter[tuple[int, str]] = Counter()
            pace = Pace()
            workers = [
                Submitter(
                    db, rpc, signer, network, name, clock=seams.clock, outbox=seams.outbox,
                    holder=seams.entropy.bytes(8).hex(), failpoints=seams.failpoints, counters=flushed,
                    settings=submitter_settings(settings, configured), pace=pace,
                )
                for name in names
            ]  # fmt: skip
            if meters is not None:
                meters.flushing = flushed
                meters.refusals = network.chain_id, signer.refusals
            poll_s = configured.poll_interval_ms / 1000
            loops = [Loop(worker, poll_s, channel="bascule_payouts") for worker in workers]
            facts = {"lanes": [f"{network.chain_id}/{name}" for name in names]}
            loops += [pardoning(db, rpcs), keeping(db, rpcs, seams.clock, seams.failpoints)]
            yield Work(db, facts, loops, meters=meters)
            for worker in workers:
                await worker.release()


async def signer(
    settings: Settings, *, ready: Ready, stop: asyncio.Event, seams: Seams | None = None
) -> None:
    """Signs what its own rosters and limits allow, until `stop`."""
    from bascule.entrypoints import signing_keys
    from bascule.entrypoints.signer_doors import doors
    from bascule.entrypoints.signer_server import SignerServer, require_usable
    from bascule.services.signer import Signer

    seams = seams or Seams(settings)
    places = doors(settings)
    for at, _ in places.values():
        require_usable(at)
    keys = await signing_keys.lanes(settings)
    for name in signing_keys.SERVICES:
        if (key := await signing_keys.service(settings, name)) is not None:
            keys.append(key)
    async with database(settings, "signer") as db:
        signs = Signer(
            db, keys, seams.clock, deposit_seed=settings.deposit_seed,
            bumps_frozen=settings.signer_bumps_frozen, failpoints=seams.failpoints,
        )  # fmt: skip
        await signs.require_counted()
        async with AsyncExitStack() as open_doors:
            for at, asking in places.values():
                server = SignerServer(signs, at, asking)
                await server.open()
                open_doors.push_async_callback(server.close)
            ready({name: str(at) for name, (at, _) in places.items()})
            await stop.wait()


async def worker(settings: Settings, *, ready: Ready, stop: asyncio.Event) -> None:
    """Numbers events, sends webhooks, ends what is overdue, reconciles, until `stop`."""
    from bascule.entrypoints.telling import telling

    seams = Seams(settings)
    async with telling(settings, seams) as work:
        await work.run(settings, seams, ready, stop)


async def api(
    settings: Settings,
    *,
    ready: Ready,
    stop: asyncio.Event,
    listening: socket.socket | None = None,
    seams: Seams | None = None,
) -> None:
    """Serves the API until `stop`. listening: a socket bound beforehand; without it the settings' address."""
    from bascule.entrypoints import sandboxing
    from bascule.entrypoints.api.app import create_app
    from bascule.entrypoints.api.deps import ApiDeps
    from bascule.entrypoints.api.limits import Rates
    from bascule.entrypoints.operating import operated
    from bascule.entrypoints.serving import serve

    seams = seams or Seams(settings)
    seed: bytes = settings.need("deposit_seed")
    pepper: str = settings.need("api_pepper")
    async with AsyncExitStack() as stack:
        sock = stack.enter_context(listening or listen(settings.api_host, settings.api_port))
        db = await stack.enter_async_context(database(settings, "api"))
        await refuse_local_webhooks(settings, db)
        seen = log_seen(settings.state_folder)
        async with db.read() as conn:
            await restore.require_checked(conn, settings.deposit_epoch, seen)
        sandbox = await stack.enter_async_context(sandboxing.opened(settings, db, seams.clock, seams.entropy))
        meters = measured(settings)
        rpcs = await stack.enter_async_context(nodes(settings, db.refuse_open_transaction, meters))
        await stack.enter_async_context(tended(db, rpcs, seams.clock, seams.failpoints, stop))
        deps = ApiDeps(
            db=db,
            clock=seams.clock,
            entropy=seams.entropy,
            pepper=pepper.encode(),
            deposit_seed=seed,
            deposit_epoch=settings.deposit_epoch,
            allow_local_webhooks=settings.webhook_allow_local,
            public_url=settings.public_url,
            ready_lag_s=settings.ready_lag_s,
            refund_cool_off_s=settings.refund_cool_off_s,
            settlement_cool_off_s=settings.settlement_cool_off_s,
            failpoints=seams.failpoints,
            sandbox=sandbox,
            coin_prices=dict(settings.flush_coin_prices),
            rates=rating.rules(settings.rates),
            answered=None if meters is None else meters.answered,
            log_seen=seen,
            pace=Rates(
                settings.rate_limit_test,
                settings.rate_limit_live,
                settings.rate_limit_money_out,
                settings.rate_limit_unknown,
            ),
            nodes=rpcs,
        )
        if meters is not None:
            meters.requests = deps.requests
        await stack.enter_async_context(deps.requests.kept())
        said = await stack.enter_async_context(operated(settings, db, seams.clock, meters))
        app = create_app(deps)
        collect_rarely()
        await serve(app, sock, ready=lambda facts: ready({**facts, **said}), stop=stop)


def run(main: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Runs a process until SIGTERM or SIGINT, with as many open connections as the system grants."""
    import uvloop

    raise_limit()

    async def until_stopped() -> None:
        await main(schedule.stop_on_signals())

    uvloop.run(until_stopped())
