"""`reconcile`: the books against the chain; `verify-evidence`: a deposit against its block."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.failures import USAGE, CommandFailed

if TYPE_CHECKING:
    from bascule.chain.evidence_check import Check


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(reconcile)
    app.command()(verify_evidence)


def reconcile(
    chain: Annotated[int | None, typer.Option(help="Only this chain id.")] = None,
    at_block: Annotated[
        int | None, typer.Option(help="At this final block instead of the newest; needs --chain.", min=0)
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What our addresses hold against what the journal says. Ends with 1 when any residual is not 0."""
    if at_block is not None and chain is None:
        raise CommandFailed("--at-block is a block of which chain?", "name it by --chain", code=USAGE)
    found = asyncio.run(_reconcile(chain, at_block))
    shown = found if as_json else [_short(each) for each in found]
    rows(shown, as_json=as_json, empty="nothing to compare yet: no chain has been read")
    if any(each["residual"] != "0" for each in found):
        raise typer.Exit(1)


async def _reconcile(chain: int | None, at_block: int | None) -> list[dict[str, Any]]:
    from bascule.chain import heads
    from bascule.entrypoints import wiring
    from bascule.services.reconciler import Reconciler, describe
    from bascule.storage import networks

    settings = loaded_settings()
    seams = wiring.Seams(settings)
    async with (
        wiring.database(settings, "worker") as db,
        wiring.nodes(settings, db.refuse_open_transaction) as rpcs,
    ):
        async with db.read() as conn:
            served = [network.chain_id for network in await networks.every(conn)]
        if chain is not None:
            await wiring.network_of(db, str(chain))  # a chain we do not serve has no books to agree with
            served = [chain]
        for chain_id in served:
            settings.chain(chain_id)  # a chain without a node would be left out silently
            await heads.require_chain(rpcs[chain_id], chain_id)
        reconciler = Reconciler(db, seams.clock, seams.entropy, seams.outbox, rpcs)
        return [describe(subject, made) for subject, made in await reconciler.reconcile(chain, at_block)]


def verify_evidence(
    file: Annotated[Path, typer.Argument(help="What GET /v1/deposits/{id}/evidence answered.")],
    as_json: AsJson = False,
) -> None:
    """Proves a deposit from a file alone, offline. Ends with 1 when a check fails, 2 for no evidence."""
    from bascule.chain.evidence_check import LARGEST, Malformed, check

    try:
        with file.open("rb") as opened:
            found = check(opened.read(LARGEST + 1))
    except (Malformed, OSError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CommandFailed(
            f"{file} cannot be checked: {why}", "save what GET /v1/deposits/{id}/evidence answers", code=USAGE
        ) from None
    rows([_shown(each) for each in found], as_json=as_json)
    if not all(each.ok for each in found):
        raise typer.Exit(1)


def _shown(each: Check) -> dict[str, str]:
    return {"check": each.name, "state": "ok" if each.ok else "failed", "says": each.says}


def _short(each: dict[str, Any]) -> dict[str, Any]:
    names = ("network", "currency", "block_number", "on_chain", "journal", "unbooked", "residual")
    return {name: each[name] for name in names}
