"""`restore check`: what has to happen between putting a backup back and paying again."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.freezing import DryRun
from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.failures import CommandFailed

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings
    from bascule.storage.database import Database

_AGAIN = "start the watcher, and run `bascule restore check` again: it says which lanes end"


def add_to(app: typer.Typer) -> None:
    """Adds this command."""
    group = typer.Typer(help="After a backup was put back.", no_args_is_help=True, rich_markup_mode=None)
    group.command()(check)
    app.add_typer(group, name="restore")


def check(
    restored: Annotated[
        bool, typer.Option("--restored", help="A backup was put back, though nothing here shows it.")
    ] = False,
    nothing_lost: Annotated[
        bool, typer.Option("--nothing-lost", help="Another server, but every transaction is here.")
    ] = False,
    end: Annotated[
        list[str] | None, typer.Option(help="A lane, CHAIN/NAME, that ends though nothing contradicts it.")
    ] = None,
    open_: Annotated[
        list[str] | None, typer.Option("--open", help="A new lane and its wallet, CHAIN/NUMBER=0xWALLET.")
    ] = None,
    send: Annotated[
        bool, typer.Option("--send", help="Send what the vault's guardian or owner has to, with their key.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Watches what was shown, takes over what was paid, ends lanes that forgot it; safe to run again."""
    if restored and nothing_lost:
        raise typer.BadParameter("one or the other", param_hint="--restored, --nothing-lost")
    if send and dry_run:
        raise typer.BadParameter("one or the other", param_hint="--send, --dry-run")
    asked = [_lane_asked(each) for each in open_ or ()]
    settings = loaded_settings()
    told = asyncio.run(
        _check(settings, restored=restored, nothing_lost=nothing_lost, dry_run=dry_run)
    )  # fmt: skip
    rows([told], as_json=as_json)
    if ended := asyncio.run(_lanes(settings, end or (), send=send, dry_run=dry_run)):
        rows(ended, as_json=as_json)
    if asked:
        opened = [asyncio.run(_opened(settings, each, send=send, dry_run=dry_run)) for each in asked]
        rows(opened, as_json=as_json)


def _lane_asked(written: str) -> tuple[str, int, str]:
    """Chain, number and wallet of `CHAIN/NUMBER=0xWALLET`."""
    lane, _, wallet = written.partition("=")
    chain, _, number = lane.partition("/")
    if not (chain and wallet and number.isascii() and number.isdecimal()):
        raise typer.BadParameter(f"{written!r:.80} is not CHAIN/NUMBER=0xWALLET", param_hint="--open")
    return chain, int(number), wallet


async def _opened(
    settings: Settings, asked: tuple[str, int, str], *, send: bool, dry_run: bool
) -> dict[str, Any]:  # fmt: skip
    from bascule.entrypoints.cli.laning import opened

    return await opened(settings, *asked, send=send, dry_run=dry_run)


async def _lanes(settings: Settings, end: Any, *, send: bool, dry_run: bool) -> list[dict[str, Any]]:
    from bascule.entrypoints import wiring
    from bascule.entrypoints.restoring import LaneCheck
    from bascule.services.lane_recovery import LaneRecovery

    async with wiring.owner(settings) as db, wiring.nodes(settings, db.refuse_open_transaction) as rpcs:
        work = LaneRecovery(db, wiring.Seams(settings).outbox)
        return await LaneCheck(settings, db, rpcs, work, send, dry_run).run(frozenset(end))


async def _check(
    settings: Settings, *, restored: bool, nothing_lost: bool, dry_run: bool
) -> dict[str, Any]:  # fmt: skip
    from bascule.entrypoints import wiring
    from bascule.services import restore
    from bascule.storage import address_epochs

    async with wiring.owner(settings) as db:
        async with db.read() as conn:
            epoch = await address_epochs.current(conn)
        why = restore.sign(epoch, settings.deposit_epoch)
        if nothing_lost:
            if not epoch.checked or settings.deposit_epoch > epoch.epoch:
                raise CommandFailed(f"addresses may be lost: {why}", "run it without --nothing-lost")
            if not dry_run:
                epoch = await restore.Restore(db, b"").nothing_lost()
            return _shown(epoch.epoch, 0, "the epoch would go on" if dry_run else "the epoch goes on")
        if why is None and not restored:
            return _shown(epoch.epoch, 0, "nothing shows that this database was restored")
        return await _begun(settings, db, dry_run=dry_run)


async def _begun(settings: Settings, db: Database, *, dry_run: bool) -> dict[str, Any]:
    """The next epoch, with the addresses of those before watched."""
    from bascule.services import restore

    work = restore.Restore(db, settings.need("deposit_seed"))
    if dry_run:
        epoch = await work.foresee(settings.deposit_epoch, settings.restore_gap)
        would = sum(len(lost.numbers) for lost in await work.plan(epoch))
        return _shown(epoch.epoch, would, f"epoch {epoch.epoch} would begin; run it without --dry-run")
    epoch = await work.begin(settings.deposit_epoch, settings.restore_gap)
    watched = await _watch(work, epoch)
    await work.finish(epoch)
    return _shown(epoch.epoch, watched, f"set BASCULE_DEPOSIT_EPOCH={epoch.epoch}, {_AGAIN}")


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
