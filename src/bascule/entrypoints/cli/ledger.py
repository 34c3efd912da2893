"""`ledger`: the books proven, closed, and read as of a moment."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.moments import moment
from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.cli.rebuilding import rebuild

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bascule.storage.invariants.check import Wrong
    from bascule.storage.periods import Period, Stand


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(help="The journal.", no_args_is_help=True, rich_markup_mode=None)
    for command in (verify, rebuild, balances, close, periods):
        group.command(command.__name__)(command)
    app.add_typer(group, name="ledger")


def verify(as_json: AsJson = False) -> None:
    """Every invariant of the books, and the first row that contradicts it. Ends with 1 when one does."""
    found = asyncio.run(_verify())
    rows(_shown(found), as_json=as_json)
    if found:
        raise typer.Exit(1)


def balances(
    at: Annotated[str, typer.Option(help="Moment, such as 2026-11-01T00:00Z; now if it is left out.")] = "",
    known_at: Annotated[
        str, typer.Option(help="By what was recorded until this moment; by all if it is left out.")
    ] = "",
    account: Annotated[str | None, typer.Option(help="Only what is owed to this account.")] = None,
    as_json: AsJson = False,
) -> None:
    """What each ledger account stood at, posted, in base units; debit is positive."""
    known = moment(known_at, "--known-at") if known_at else None
    found = asyncio.run(_balances(moment(at, "--at", datetime.now(UTC)), known, account))
    shown = [{"account": each.code, "token": each.token_id, "posted": str(each.posted)} for each in found]
    rows(shown, as_json=as_json, empty="nothing was booked")


def close(
    until: Annotated[
        str, typer.Argument(help="Moment, such as 2026-11-01T00:00Z; the period ends before it.")
    ],
    as_json: AsJson = False,
) -> None:
    """Closes the books: nothing becomes effective before this moment any more. It cannot be undone."""
    rows([_period(asyncio.run(_close(moment(until, "UNTIL"))))], as_json=as_json)


def periods(as_json: AsJson = False) -> None:
    """Every closed period, the oldest first."""
    rows([_period(each) for each in asyncio.run(_closed())], as_json=as_json, empty="nothing was closed")


async def _verify() -> Sequence[Wrong]:
    from bascule.entrypoints import wiring
    from bascule.storage import verification

    async with wiring.database(loaded_settings(), "worker") as db:
        return await verification.verify(db)


async def _balances(at: datetime, known_at: datetime | None, account: str | None) -> Sequence[Stand]:
    from bascule.entrypoints import wiring
    from bascule.storage import periods

    async with wiring.database(loaded_settings(), "worker") as db, db.read() as conn:
        return await periods.balances_at(conn, at, known_at=known_at, account_id=account)


async def _close(until: datetime) -> Period:
    from bascule.entrypoints import wiring
    from bascule.storage import audit, periods

    async with wiring.database(loaded_settings(), "worker") as db, db.transaction() as conn:
        await periods.close(conn, until)
        await audit.append(conn, actor="cli", action="ledger.close", object_id=until.isoformat())
        return (await periods.closed(conn))[-1]


async def _closed() -> Sequence[Period]:
    from bascule.entrypoints import wiring
    from bascule.storage import periods

    async with wiring.database(loaded_settings(), "worker") as db, db.read() as conn:
        return await periods.closed(conn)


def _shown(found: Sequence[Wrong]) -> list[dict[str, Any]]:
    from bascule.storage.invariants.check import MOST
    from bascule.storage.verification import CHECKS

    lines = []
    for check in CHECKS:
        wrong = [each for each in found if each.check == check]
        count = str(len(wrong)) if len(wrong) < MOST else f"{MOST} or more"
        first = f"{wrong[0].subject} {wrong[0].found}" if wrong else ""
        lines.append({"check": check.name, "holds": check.holds, "wrong": count, "first": first})
    return lines


def _period(each: Period) -> dict[str, Any]:
    times = {name: getattr(each, name).isoformat() for name in ("since", "until", "closed_at")}
    return {**times, "closed_by": each.closed_by, "accounts": each.accounts}
