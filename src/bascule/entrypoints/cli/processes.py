"""`api`, `submitter`, `signer`, `worker`: one process each, configured by BASCULE_* alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.output import line
from bascule.entrypoints.cli.place import loaded_settings

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings

Work = Callable[["Settings", asyncio.Event, Callable[[Mapping[str, Any]], None]], Awaitable[None]]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    for command in (api, submitter, signer, worker):
        app.command()(command)


def api() -> None:
    """Serves the REST API."""
    from bascule.entrypoints import wiring

    run_process("api", lambda settings, stop, ready: wiring.api(settings, ready=ready, stop=stop))


def submitter(
    lane: Annotated[
        list[str],
        typer.Option(help="CHAIN/NAME: base/vault-0, base/sweeper, base/canceller; more of one chain."),
    ],
) -> None:
    """Works a lane, or several of one chain side by side."""
    from bascule.entrypoints import wiring

    run_process(
        "submitter", lambda settings, stop, ready: wiring.submitter(settings, lane, ready=ready, stop=stop)
    )


def signer() -> None:
    """Holds a wallet key and signs what its own rosters and limits allow."""
    from bascule.entrypoints import wiring

    run_process("signer", lambda settings, stop, ready: wiring.signer(settings, ready=ready, stop=stop))


def worker() -> None:
    """Sends webhooks, ends what is overdue, reconciles."""
    from bascule.entrypoints import wiring

    run_process("worker", lambda settings, stop, ready: wiring.worker(settings, ready=ready, stop=stop))


def run_process(name: str, work: Work) -> None:
    """Runs a process until it is told to stop; says on one line when it is ready."""
    from bascule.entrypoints import logs, wiring

    settings = loaded_settings()
    logs.configure(name, settings.log_level)

    def ready(facts: Mapping[str, Any]) -> None:
        line({"event": "ready", "process": name, **facts})

    wiring.run(lambda stop: work(settings, stop, ready))
