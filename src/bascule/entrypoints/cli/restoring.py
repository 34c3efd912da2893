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
    from bascule.chain.caller import Caller
    from bascule.entrypoints.wiring import Settings
    from bascule.storage.lanes import Lane


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


def lanes(
    send: Annotated[
        bool,
        typer.Option("--send", help="Retire them at the vault, with the guardian's key."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Takes over from each vault what it paid since the backup, and retires its lanes; safe to run again."""
    rows(asyncio.run(_lanes(loaded_settings(), send=send)), as_json=as_json)


async def _lanes(settings: Settings, *, send: bool) -> list[dict[str, Any]]:
    from bascule.domain.errors import BasculeError
    from bascule.entrypoints import wiring
    from bascule.entrypoints.failures import next_step_of
    from bascule.services.lane_recovery import LaneRecovery

    told = []
    async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
        work = LaneRecovery(db, wiring.Seams(settings).outbox)
        for lane in await work.every():
            network = await wiring.network_of(db, str(lane.chain_id))
            said: dict[str, Any] = {
                "lane": f"{lane.chain_id}/{lane.name}", "batches": 0, "canceled": 0, "state": "open",
            }  # fmt: skip
            try:
                rpc = rpcs[lane.chain_id]
                said["batches"] = await work.take_over(rpc, lane, network.start_block or 0)
                said["canceled"] = await work.take_over_canceled(rpc, lane, network.start_block or 0)
                if await work.retire(rpc, lane):
                    said["state"] = "retired"
                left = await _next_of(settings, rpc, lane, str(said["state"]), send=send)
            except BasculeError as error:
                told.append({**said, "next": f"{error}; {next_step_of(error)}"})
                continue
            told.append({**said, "next": left})
    return told


async def _next_of(settings: Settings, rpc: Caller, lane: Lane, state: str, *, send: bool) -> str:
    """What is left to do at the vault; with `send` the lane is retired there first."""
    from bascule.chain import vault as vault_calls
    from bascule.entrypoints import vault_roles

    if state == "retired":
        return (
            "make a new wallet, then: bascule lanes open --chain C --number N --wallet W (--send with the"
            " owner's key)"
        )
    if not await vault_calls.retired(rpc, lane.vault, lane.lane, "latest"):
        left = await vault_roles.act(
            settings, rpc, lane.chain_id, lane.vault, "guardian", "retireLane", lane.lane, send=send,
            told=lambda _: None,
        )  # fmt: skip
        if left is not None:
            return f"{left}; once that is final, run this again"
    return "it is retired in the newest block; once that is final, run this again"


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
