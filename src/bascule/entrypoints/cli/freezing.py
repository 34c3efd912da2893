"""`freeze`, `unfreeze`, `denylist`: what nobody's approval moves, in the signer and in the bridge."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

import typer

from bascule.entrypoints.cli.output import AsJson, line, rows, say
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.failures import USAGE, CommandFailed

Asset = Annotated[str, typer.Argument(help="all, a chain, a token's id, or a wallet 0x….")]
Reason = Annotated[str, typer.Option(help="Why; it is kept for ever.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(freeze)
    app.command()(unfreeze)
    group = typer.Typer(help="Whom the signer never pays.", no_args_is_help=True, rich_markup_mode=None)
    group.command(name="add")(deny)
    group.command(name="remove")(allow)
    group.command(name="list")(denied)
    app.add_typer(group, name="denylist")


def freeze(asset: Asset, reason: Reason = "", dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Stops money at once: nothing of it is signed or reserved until `unfreeze`. What is out is followed."""
    _switch(asset, True, reason, dry_run, as_json)


def unfreeze(asset: Asset, reason: Reason = "", dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Releases what was frozen under exactly this name. Payouts that waited go on by themselves."""
    _switch(asset, False, reason, dry_run, as_json)


def deny(
    address: Annotated[str, typer.Argument(help="The address, 0x….")],
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """The signer pays nothing to this address, whoever approved it."""
    _destination(address, True, reason, dry_run, as_json)


def allow(
    address: Annotated[str, typer.Argument(help="The address, 0x….")],
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Takes an address off the signer's list."""
    _destination(address, False, reason, dry_run, as_json)


def denied(as_json: AsJson = False) -> None:
    """Everything that is denied or frozen now."""
    from bascule.entrypoints import freezing

    rows(asyncio.run(freezing.standing(loaded_settings())), as_json=as_json, empty="nothing is stopped")


def _switch(asset: str, frozen: bool, reason: str, dry_run: bool, as_json: bool) -> None:
    from bascule.entrypoints import freezing

    _require(reason, dry_run)
    work = freezing.switch(loaded_settings(), asset, frozen=frozen, reason=reason, dry_run=dry_run)
    done = asyncio.run(work)
    if as_json:
        line(done)
        return
    _say(done, "frozen" if frozen else "released")
    say("Frozen now: " + (", ".join(done["standing"]) or "nothing"))


def _destination(address: str, refused: bool, reason: str, dry_run: bool, as_json: bool) -> None:
    from bascule.entrypoints import freezing

    _require(reason, dry_run)
    work = freezing.deny(loaded_settings(), address, denied=refused, reason=reason, dry_run=dry_run)
    done = asyncio.run(work)
    if as_json:
        line(done)
    else:
        _say(done, "denied" if refused else "allowed")


def _say(done: dict[str, Any], what: str) -> None:
    if not done["changes"]:
        say(f"{done['scope']} is {what} already.")
    else:
        say(f"{done['scope']} {'would be' if done['dry_run'] else 'is'} {what}.")


def _require(reason: str, dry_run: bool) -> None:
    if not reason.strip() and not dry_run:
        raise CommandFailed("why?", '--reason "…"; it is kept for ever', code=USAGE)
