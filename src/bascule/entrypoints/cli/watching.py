"""`watcher`: the process that reads one chain, and what an operator may tell it."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.cli.processes import run_process
from bascule.entrypoints.failures import CommandFailed

Chain = Annotated[str, typer.Option(help="Chain id or name.")]
Reason = Annotated[str, typer.Option(help="Why; it is kept in the audit log.")]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(
        help="Reads one chain; its commands are for operators.",
        invoke_without_command=True,
        rich_markup_mode=None,
    )
    group.callback()(watcher)
    group.command()(resume)
    app.add_typer(group, name="watcher")


def watcher(
    context: typer.Context, chain: Annotated[str | None, typer.Option(help="Chain id or name.")] = None
) -> None:
    """Reads one chain; its commands are for operators."""
    from bascule.entrypoints import wiring

    if context.invoked_subcommand is not None:
        return
    if chain is None:
        raise typer.BadParameter("which chain? e.g. --chain base", param_hint="--chain")
    run_process(
        "watcher", lambda settings, stop, ready: wiring.watcher(settings, chain, ready=ready, stop=stop)
    )


def resume(chain: Chain, reason: Reason, as_json: AsJson = False) -> None:
    """Lifts a halt. It makes no block good: where our final block is gone, the chain halts again at once."""
    from bascule.domain.chain import caip2
    from bascule.entrypoints import wiring
    from bascule.services import halts
    from bascule.storage import blocks

    async def work() -> dict[str, str]:
        settings = loaded_settings()
        seams = wiring.Seams(settings)
        async with wiring.owner(settings) as db:
            network = await wiring.network_of(db, chain)
            async with db.transaction() as conn:
                cursor = await blocks.cursor(conn, network.chain_id)
                if cursor is None or cursor.halted_reason is None:
                    raise CommandFailed(f"chain {chain} is not halted", "look at /readyz for what is wrong")
                details = {"reason": reason}
                await halts.lift(conn, cursor, network, seams.outbox, actor="cli", details=details)
        return {"network": caip2(network.chain_id), "was": cursor.halted_reason}

    required(reason)
    rows([asyncio.run(work())], as_json=as_json)


def required(reason: str) -> None:
    """Raises: BadParameter when no reason is given; who reads the audit log later has nothing else."""
    if not reason.strip():
        raise typer.BadParameter("say why, in a few words", param_hint="--reason")
