"""`bascule dev` as a tree of processes: database, chain, set-up, then the six of a real installation.

Database and chain start while the parent imports what all others need; the others are forks of it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bascule.domain import anchor, authorization, call_off, flush, gas
from bascule.entrypoints.dev.deaths import Deaths
from bascule.entrypoints.dev.installation import Installation
from bascule.entrypoints.dev.supervisor import Child, ChildFailed, Main, Ready, Supervisor
from bascule.entrypoints.failures import UNREACHABLE
from bascule.entrypoints.ports import held, listen

DATABASE = "bascule"
CHAIN_ID = 31_337
START_SECONDS = 60.0
# From whom the environment of the caller may speak: everything else of a dev installation is in its file.
PASSED_ON = ("BASCULE_LOG_LEVEL",)
PROCESSES = ("signer", "api", "watcher", "submitter", "services", "worker")
# Two processes may be one program with one database login.
ROLE_OF = {"services": "submitter"}
# The lanes that pay nobody have one submitter for all.
SERVICE_LANES = (flush.LANE, call_off.LANE, gas.LANE, anchor.LANE, authorization.LANE)
# What a process knows besides the nodes and its own database login.
SECRETS_OF = {
    "api": ("api_pepper", "deposit_seed"),
    "signer": (
        "signer_keystore_password",
        "sweeper_keystore_password",
        "canceller_keystore_password",
        "deposit_seed",
    ),
}
IMPORTED_BY_ALL = (
    "alembic.runtime.environment",
    "bascule.entrypoints.api.app",
    "bascule.entrypoints.dev.bring_up",
    "bascule.entrypoints.logs",
    "bascule.entrypoints.signer_client",
    "bascule.entrypoints.signer_server",
    "bascule.services.dispatcher",
    "bascule.services.expirer",
    "bascule.services.reconciler",
    "bascule.services.sequencer",
    "bascule.services.submitter",
    "bascule.services.watcher",
    "bascule.signing.keystore",
    "eth_account",
    "eth_keyfile",
    "apscheduler.schedulers.asyncio",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.lifespan.on",
    "uvloop",
)


@dataclass(frozen=True, slots=True)
class Options:
    """What `bascule dev` was asked for. Port 0 takes a free one; block_time: seconds."""

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8000
    rpc_port: int = 8545
    rpc_url: str | None = None
    database_url: str | None = None
    block_time: float = 1.0
    fresh: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """A bridge that is ready. ready: the fields of the ready line; seconds: how long the start took."""

    tree: Supervisor
    ready: dict[str, Any]
    seconds: float
    installation: Installation


@contextmanager
def running(
    options: Options, *, say: Callable[[str], None], environ: Mapping[str, str], began: float | None = None
) -> Iterator[Running]:
    """A whole system, ready; stopped at the end. Raises: Rejected, ChildFailed, Interrupted."""
    began = time.monotonic() if began is None else began
    deaths = Deaths(environ, CHAIN_ID)
    installation = Installation(options.data_dir)
    installation.open(fresh=options.fresh)
    try:
        with (
            listen(options.host, options.port) as api_socket,
            _rpc_url(options) as rpc_url,
            Supervisor(installation.logs, say=say) as tree,
        ):
            ready = _start(tree, installation, options, api_socket, rpc_url, environ, deaths)
            yield Running(tree, ready, time.monotonic() - began, installation)
    finally:
        installation.close()


@contextmanager
def _rpc_url(options: Options) -> Iterator[str]:
    """Where the chain is; the port of one of ours stays its own while it is down."""
    if options.rpc_url is not None:
        yield options.rpc_url
    else:
        with held(options.host, options.rpc_port) as port:
            yield _http(options.host, port)


def _start(
    tree: Supervisor,
    installation: Installation,
    options: Options,
    api_socket: socket.socket,
    rpc_url: str,
    environ: Mapping[str, str],
    deaths: Deaths,
) -> dict[str, Any]:
    grounds = []
    if options.database_url is None:
        grounds.append(tree.start("postgres", _postgres(installation.postgres)))
    if options.rpc_url is None:
        chain = _chain(tree, options, int(rpc_url.rpartition(":")[2]), installation.chain, deaths)
        grounds.append(tree.start("chain", chain, planned_deaths=deaths.planned("chain")))
    for name in IMPORTED_BY_ALL:
        importlib.import_module(name)
    tree.wait_ready([child.name for child in grounds], within=START_SECONDS)
    owner_url = options.database_url or grounds[0].facts["url"]
    set_up = _completed(
        tree, installation, _set_up(installation, options, owner_url, rpc_url, api_socket), deaths
    )
    ready = set_up.facts
    started = []
    for name in PROCESSES:
        main = _process(tree, name, installation, ready, environ, api_socket, deaths)
        started.append(tree.start(name, main, planned_deaths=deaths.planned(name)))
    tree.wait_ready(PROCESSES, within=START_SECONDS)
    ports = {child.name: child.facts.get("metrics_port") for child in started}
    return {**ready, "metrics": {name: _http("127.0.0.1", port) for name, port in ports.items() if port}}


def _completed(tree: Supervisor, installation: Installation, main: Main, deaths: Deaths) -> Child:
    """The set-up after its end; a planned death, or that of what it needs, is followed by another try."""
    planned, killed = deaths.planned("set-up"), 0
    while True:
        installation.failpoints = deaths.failpoints("set-up", killed=killed)
        lives = tree.lives()
        child = tree.start("set-up", main, restart=False)
        try:
            tree.wait_end("set-up", within=START_SECONDS)
            return child
        except ChildFailed as failed:
            killed += child.killed
            died_as_planned = child.killed and killed <= planned
            left_alone = failed.exit_code == UNREACHABLE and tree.lives() != lives | {"set-up": 1}
            if not died_as_planned and not left_alone:
                raise


def _http(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _postgres(folder: Path) -> Main:
    def main(ready: Ready) -> int:
        from bascule.entrypoints.dev.bring_up import ensure_database
        from bascule.storage.embedded import EmbeddedPostgres

        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        server = EmbeddedPostgres(folder)
        with server as url:
            asyncio.run(ensure_database(url.database("postgres"), DATABASE))
            ready({"url": url.database(DATABASE)})
            while server.pid is not None:
                time.sleep(0.5)
        return 1

    return main


def _chain(tree: Supervisor, options: Options, port: int, folder: Path, deaths: Deaths) -> Main:
    def main(ready: Ready) -> int:
        from bascule.entrypoints.devchain.node import serve

        async def until_stopped() -> None:
            serving = asyncio.create_task(
                serve(
                    options.host,
                    port,
                    data_dir=folder,
                    chain_id=CHAIN_ID,
                    block_time=options.block_time,
                    ready=lambda chain: ready({"url": chain.url}),
                    failpoints=deaths.failpoints("chain", killed=tree.killed()["chain"]),
                )
            )
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
            await asyncio.wait([serving])
            if not serving.cancelled():
                await serving

        asyncio.run(until_stopped())
        return 0

    return main


def _set_up(
    installation: Installation, options: Options, owner_url: str, rpc_url: str, api_socket: socket.socket
) -> Main:
    def main(ready: Ready) -> int:
        from bascule.entrypoints.dev.bring_up import Where, bring_up

        port = int(api_socket.getsockname()[1])
        where = Where(
            owner_url=owner_url,
            rpc_url=rpc_url,
            api_url=_http(options.host, port),
            api_host=options.host,
            api_port=port,
        )
        ready(asyncio.run(bring_up(installation, where)))
        return 0

    return main


def _process(
    tree: Supervisor,
    name: str,
    installation: Installation,
    facts: Mapping[str, Any],
    environ: Mapping[str, str],
    api_socket: socket.socket,
    deaths: Deaths,
) -> Main:
    """One of them."""

    def main(ready: Ready) -> int:
        from bascule.entrypoints import logs, wiring

        own = {key: environ[key] for key in PASSED_ON if key in environ}
        loaded = wiring.load({"BASCULE_METRICS_PORT": "0", **own, "BASCULE_CONFIG": str(installation.config)})
        loaded = loaded.keeping(
            "chains", f"database_url_{ROLE_OF.get(name, name)}", *SECRETS_OF.get(name, ())
        )
        loaded = dataclasses.replace(loaded, failpoints=deaths.of(name, killed=tree.killed()[name]))
        logs.configure(name, loaded.log_level)
        chain = str(facts["chain_id"])

        async def work(stop: asyncio.Event) -> None:
            match name:
                case "api":
                    await wiring.api(loaded, ready=ready, stop=stop, listening=api_socket)
                case "watcher":
                    await wiring.watcher(loaded, chain, ready=ready, stop=stop)
                case "submitter":
                    await wiring.submitter(loaded, [f"{chain}/vault-0"], ready=ready, stop=stop)
                case "services":
                    lanes = [f"{chain}/{name}" for name in SERVICE_LANES]
                    await wiring.submitter(loaded, lanes, ready=ready, stop=stop)
                case "signer":
                    await wiring.signer(loaded, ready=ready, stop=stop)
                case _:
                    await wiring.worker(loaded, ready=ready, stop=stop)

        wiring.run(work)
        return 0

    return main
