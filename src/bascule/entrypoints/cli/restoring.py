"""`restore check`: what has to happen between putting a backup back and starting the processes."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.failures import CommandFailed

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings


def add_to(app: typer.Typer) -> None:
    """Adds this command."""
    group = typer.Typer(help="After a backup was put back.", no_args_is_help=True, rich_markup_mode=None)
    group.command()(check)
    group.command()(lanes)
    app.add_typer(group, name="restore")


def check(
    restored: Annotated[
        bool, typer.Option("--restored", help="A backup was put back, though nothing here shows it.")
    ] = False,
    nothing_lost: Annotated[
        bool, typer.Option("--nothing-lost", help="Another server, but every transaction is here.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Begins a new epoch of deposit addresses and watches those that may be lost; safe to run again."""
    if restored and nothing_lost:
        raise typer.BadParameter("one or the other", param_hint="--restored, --nothing-lost")
    settings = loaded_settings()
    rows([asyncio.run(_check(settings, restored=restored, nothing_lost=nothing_lost))], as_json=as_json)


def lanes(as_json: AsJson = False) -> None:
    """Takes over from each vault what it paid since the backup, and retires its lanes; safe to run again."""
    rows(asyncio.run(_lanes(loaded_settings())), as_json=as_json)


async def _lanes(settings: Settings) -> list[dict[str, Any]]:
    from bascule.domain.errors import BasculeError
    from bascule.entrypoints import wiring
    from bascule.entrypoints.failures import next_step_of
    from bascule.services.lane_recovery import LaneRecovery

    told = []
    async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
        work = LaneRecovery(db, wiring.Seams(settings).outbox)
        for lane in await work.every():
            network = await wiring.network_of(db, str(lane.chain_id))
            said = {"lane": f"{lane.chain_id}/{lane.name}", "batches": 0, "state": "open"}
            try:
                rpc = rpcs[lane.chain_id]
                said["batches"] = await work.take_over(rpc, lane, network.start_block or 0)
                if await work.retire(rpc, lane):
                    said["state"] = "retired"
            except BasculeError as error:
                told.append({**said, "next": f"{error}; {next_step_of(error)}"})
                continue
            told.append({**said, "next": _next_of(lane.lane, str(said["state"]))})
    return told


def _next_of(lane: int, state: str) -> str:
    """What people have to do at the vault."""
    if state == "open":
        return f"let the vault's guardian call retireLane({lane}); once that is final, run this again"
    return "let the vault's owner call setLane with a new number and a new wallet, then: bascule lanes open"


async def _check(settings: Settings, *, restored: bool, nothing_lost: bool) -> dict[str, Any]:
    from bascule.entrypoints import wiring
    from bascule.services import restore
    from bascule.storage import address_epochs

    seed: bytes = settings.need("deposit_seed")
    async with wiring.owner(settings) as db:
        work = restore.Restore(db, seed)
        async with db.read() as conn:
            epoch = await address_epochs.current(conn)
        why = restore.sign(epoch, settings.deposit_epoch)
        if nothing_lost:
            if not epoch.checked or settings.deposit_epoch > epoch.epoch:
                raise CommandFailed(f"addresses may be lost: {why}", "run it without --nothing-lost")
            epoch = await work.nothing_lost()
        elif why is None and not restored:
            return _shown(epoch.epoch, 0, "nothing shows that this database was restored")
        else:
            epoch = await work.begin(settings.deposit_epoch, settings.restore_gap)
            watched = await _watch(work, epoch)
            await work.finish(epoch)
            return _shown(epoch.epoch, watched, f"set BASCULE_DEPOSIT_EPOCH={epoch.epoch}, then start")
    return _shown(epoch.epoch, 0, "the epoch goes on")


async def _watch(work: Any, epoch: Any) -> int:
    plan = await work.plan(epoch)
    total = sum(len(lost.numbers) for lost in plan)
    with typer.progressbar(
        length=total, label="watching lost addresses", file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        for lost in plan:
            await work.watch(lost, bar.update)
    return total


def _shown(epoch: int, watched: int, then: str) -> dict[str, Any]:
    return {"epoch": epoch, "watched": watched, "next": then}
