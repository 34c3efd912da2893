"""`screening`: sanctions lists, and what they hold."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings

if TYPE_CHECKING:
    from bascule.entrypoints.wiring import Settings
    from bascule.services.compliance import Compliance
    from bascule.storage.database import Connection

    Act = Callable[[Compliance, Connection], Awaitable[dict[str, Any]]]

_BRIEF = ("id", "status", "deposit", "payout", "amount", "currency", "address", "list", "reference")
SHOWN = 100

Reason = Annotated[str, typer.Option(help="Why; it is kept for ever.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change; change nothing.")]


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(help="Whose money is held.", no_args_is_help=True, rich_markup_mode=None)
    group.command("import")(import_file)
    group.command("lists")(versions)
    group.command("list")(every)
    group.command("release")(release)
    group.command("reject")(reject)
    app.add_typer(group, name="screening")


def import_file(
    name: Annotated[str, typer.Argument(help="Of the list, such as ofac.")],
    file: Annotated[Path, typer.Argument(help="CSV: address, and reference if wanted.")],
    may_shrink: Annotated[
        bool, typer.Option("--may-shrink", help="More than a tenth of its addresses may go off it.")
    ] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """A new version of a sanctions list, in force at once; a damaged file changes nothing."""
    text = _text(file)

    async def act(compliance: Compliance, conn: Connection) -> dict[str, Any]:
        return await compliance.import_list(
            conn, name, text, actor="cli", may_shrink=may_shrink, dry_run=dry_run
        )

    rows([asyncio.run(_acted(loaded_settings(), act))], as_json=as_json)


def versions(as_json: AsJson = False) -> None:
    """Every version of every list; of each name the newest is in force."""
    rows(asyncio.run(_versions(loaded_settings())), as_json=as_json, empty="no list was imported")


def every(
    status: Annotated[Literal["open", "released", "rejected"], typer.Option()] = "open",
    as_json: AsJson = False,
) -> None:
    """The newest screenings in a state. Ends with 1 when one is open."""
    found = asyncio.run(_every(loaded_settings(), status))
    shown = found if as_json else [{name: each[name] for name in _BRIEF} for each in found]
    rows(shown, as_json=as_json, empty=f"none is {status}")
    if found and status == "open":
        raise typer.Exit(1)


def release(screening_id: str, reason: Reason, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Lets what is held go on, as if nothing had been."""

    async def act(compliance: Compliance, conn: Connection) -> dict[str, Any]:
        return await compliance.release(conn, screening_id, reason=reason, actor="cli")

    _decide(act, dry_run, as_json)


def reject(screening_id: str, reason: Reason, dry_run: DryRun = False, as_json: AsJson = False) -> None:
    """Holds a deposit for good; ends a payout that was not sent."""

    async def act(compliance: Compliance, conn: Connection) -> dict[str, Any]:
        return await compliance.reject(conn, screening_id, reason=reason, actor="cli")

    _decide(act, dry_run, as_json)


def _decide(act: Act, dry_run: bool, as_json: bool) -> None:
    shown = asyncio.run(_acted(loaded_settings(), act, dry_run=dry_run))
    rows([shown if as_json else {name: shown[name] for name in _BRIEF}], as_json=as_json)


def _text(file: Path) -> str:
    from bascule.domain.errors import Rejected
    from bascule.domain.payout_file import decode

    try:
        return decode(file.read_bytes())
    except OSError as error:
        raise Rejected(
            "screening_list_damaged", f"{file} cannot be read: {error.strerror}.", param="FILE"
        ) from None


async def _acted(settings: Settings, act: Act, *, dry_run: bool = False) -> dict[str, Any]:
    from bascule.entrypoints import wiring
    from bascule.services.compliance import Compliance

    seams = wiring.Seams(settings)
    async with (
        wiring.owner(settings) as db,
        db.transaction() as conn,
        conn.transaction(force_rollback=dry_run),
    ):
        return await act(Compliance(seams.clock, seams.outbox), conn)


async def _versions(settings: Settings) -> list[dict[str, Any]]:
    from bascule.entrypoints import wiring
    from bascule.services.screening_view import shown_list
    from bascule.storage import screening_lists

    async with wiring.database(settings, "worker") as db, db.read() as conn:
        return [shown_list(each) for each in await screening_lists.every(conn)]


async def _every(settings: Settings, status: str) -> list[dict[str, Any]]:
    from bascule.domain.screening import ScreeningState
    from bascule.entrypoints import wiring
    from bascule.services.screening_view import describe
    from bascule.storage import screenings

    async with wiring.database(settings, "worker") as db, db.read() as conn:
        return await describe(conn, await screenings.newest(conn, ScreeningState(status), SHOWN))
