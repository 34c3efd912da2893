"""`report`: what finance takes away, written to a folder."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bascule.domain.errors import Rejected
from bascule.domain.report import Format
from bascule.entrypoints.cli.moments import moment
from bascule.entrypoints.cli.output import AsJson, rows
from bascule.entrypoints.cli.place import loaded_settings
from bascule.entrypoints.failures import USAGE, CommandFailed

if TYPE_CHECKING:
    from bascule.services.report_making import Made, Progress


def add_to(app: typer.Typer) -> None:
    """Adds this command."""
    app.command()(report)


def report(
    type: Annotated[
        str,
        typer.Argument(
            help="balance, activity, payouts, fees, statement, journal, travel_rule or thresholds."
        ),
    ],
    since: Annotated[str, typer.Option("--from", help="Moment, such as 2026-11-01T00:00Z.")],
    until: Annotated[str, typer.Option("--to", help="Moment at which the interval is over.")],
    format: Annotated[Format, typer.Option(help="How the files are written.")] = Format.CSV,
    account: Annotated[str | None, typer.Option(help="Whose; by default the operator's.")] = None,
    live: Annotated[bool, typer.Option(help="Of live networks instead of test networks.")] = False,
    output: Annotated[Path, typer.Option(help="An empty or new folder.")] = Path("report"),
    accounts: Annotated[Path | None, typer.Option(help="The general ledger's accounts, as TOML.")] = None,
    thresholds: Annotated[Path | None, typer.Option(help="Jurisdictions' thresholds, as TOML.")] = None,
    as_json: AsJson = False,
) -> None:
    """Writes a report of what became effective in an interval; each file with the digest of its bytes."""
    begin, end = moment(since, "--from"), moment(until, "--to")
    folder = _empty(output)
    with _bar(shown=not as_json) as progress:
        try:
            made = asyncio.run(
                _make(type, format, account, live, begin, end, folder, (accounts, thresholds), progress)
            )
        except Rejected as error:
            raise CommandFailed(str(error), "see `bascule report --help`", code=USAGE) from None
    shown = [
        {"file": str(folder / each.path), "rows": each.rows, "bytes": each.size, "sha256": each.sha256.hex(),
         "closed": made.closed}
        for each in made.files
    ]  # fmt: skip
    rows(shown, as_json=as_json)


async def _make(
    type: str, format: Format, account: str | None, livemode: bool, since: datetime, until: datetime,
    folder: Path, data: tuple[Path | None, Path | None], progress: Progress,
) -> Made:  # fmt: skip
    from bascule.domain.report import Interval, of_name
    from bascule.entrypoints import wiring
    from bascule.general_ledger import accounts as mapping_of
    from bascule.services.report_making import Wanted, make
    from bascule.storage import accounts
    from bascule.thresholds import thresholds as rules_of

    wanted, interval = of_name(type), Interval(since, until)
    mapping, rules = mapping_of(data[0]), rules_of(data[1])
    async with wiring.database(loaded_settings(), "worker") as db:
        async with db.read() as conn:
            operator = await accounts.operator(conn)
            owner = operator if account is None else await accounts.get(conn, account)
        if owner is None:
            raise Rejected("resource_missing", f"No such account: {account or 'an operator'}.")
        if wanted.operator_only and owner != operator:
            raise Rejected("operator_only", f"The {wanted.name} is the operator's.")
        asked = Wanted(wanted, format, owner.id, livemode, interval, mapping, rules)
        return await make(db, asked, folder, progress=progress)


def _empty(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        full = any(folder.iterdir())
    except OSError as error:
        raise CommandFailed(
            f"{folder} cannot be written: {error.strerror}", "name another folder by --output", code=USAGE
        ) from None
    if full:
        raise CommandFailed(f"{folder} is not empty", "name a new folder by --output", code=USAGE)
    return folder


@contextmanager
def _bar(*, shown: bool) -> Iterator[Progress]:
    """A progress bar on the error output, where that is a terminal."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True, disable=not shown) as bar:
        task = bar.add_task("report", total=100)
        yield lambda per_cent: bar.update(task, completed=per_cent)
