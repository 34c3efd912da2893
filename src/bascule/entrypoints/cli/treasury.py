"""`payouts`: a file of payouts, reported line by line or handed in; one that can never be paid, paid anew."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import typer

from bascule.entrypoints.cli.output import AsJson, line, rows, say
from bascule.entrypoints.cli.people import call
from bascule.entrypoints.cli.place import remembered
from bascule.entrypoints.failures import USAGE, CommandFailed

ApiUrl = Annotated[str | None, typer.Option(help="The API; else the development installation's.")]
ApiKey = Annotated[str | None, typer.Option(envvar="BASCULE_API_KEY", help="A key of the account that pays.")]
_CHUNK = 16 * 1024
_SHOWN = 50


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    group = typer.Typer(help="A file of payouts, or one anew.", no_args_is_help=True, rich_markup_mode=None)
    group.command("import")(import_file)
    group.command("template")(template)
    group.command("reissue")(reissue)
    app.add_typer(group, name="payouts")


def import_file(
    file: Annotated[Path, typer.Argument(help="The CSV file; `bascule payouts template` begins one.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what is wrong; make nothing.")] = False,
    best_effort: Annotated[
        bool, typer.Option("--best-effort", help="Leave wrong lines out instead of refusing the file.")
    ] = False,
    key: Annotated[
        str | None, typer.Option(help="The batch's key, for ever; else the file's own hash.")
    ] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> int:
    """Hands a file of payouts in, as one batch that approvers sign once; the same file pays only once."""
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise CommandFailed(
            f"{file} cannot be read: {error.strerror}", "name a CSV file", code=USAGE
        ) from None
    query = {
        "batch_key": key or f"file-{hashlib.sha256(raw).hexdigest()[:32]}",
        "mode": "best_effort" if best_effort else "all_or_nothing",
    }
    url = api_url or remembered("ready")["api_url"]
    secret = api_key or remembered("ready")["treasury"]["secret_key"]
    report = asyncio.run(_send(url, secret, raw, query | {"dry_run": "true"}, "checking"))
    wrong = report["status"] == "invalid"
    if not dry_run and not wrong:
        report = asyncio.run(_send(url, secret, raw, query, "handing in"))
    if as_json:
        line(report)
    else:
        _tell(report)
    return 1 if wrong else 0


def template(
    as_json: AsJson = False,
) -> None:
    """The header of a file of payouts."""
    from bascule.domain import payout_file

    if as_json:
        line({"columns": payout_file.COLUMNS, "required": payout_file.NEEDED})
    else:
        say(payout_file.TEMPLATE.strip())


def reissue(
    payout: Annotated[str, typer.Argument(help="The payout that can never be paid, po_….")],
    to: Annotated[str | None, typer.Option(help="Another payee; else the same.")] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Asks again for a payout that a final block proves unpaid, for ever; as often as it is run, once.

    The new one has its own approvals.
    """
    url = api_url or remembered("ready")["api_url"]
    secret = api_key or remembered("ready")["treasury"]["secret_key"]
    made = asyncio.run(_reissue(url, secret, payout, to))
    if as_json:
        line(made)
    else:
        say(f"{made['id']} for {payout}: {made['amount']} {made['currency']} to {made['to']}.")
        say(f"Next: bascule approve {made['id']}")


async def _reissue(url: str, key: str, payout: str, to: str | None) -> dict[str, Any]:
    old = await call(url, key, "GET", f"/v1/payouts/{payout}")
    same = {name: old[name] for name in ("amount", "currency", "network", "token")}
    named = {"reissue_of": old["id"], "client_reference_id": f"reissue-{old['id']}", "to": to or old["to"]}
    return await call(url, key, "POST", "/v1/payouts", same | named)


async def _send(url: str, key: str, raw: bytes, query: dict[str, str], doing: str) -> dict[str, Any]:
    path = f"/v1/payout_batches?{urlencode(query)}"
    with typer.progressbar(
        length=max(1, len(raw)), label=doing, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:

        async def chunks() -> AsyncIterator[bytes]:
            for place in range(0, len(raw), _CHUNK):
                yield raw[place : place + _CHUNK]
                bar.update(_CHUNK)

        return await call(url, key, "POST", path, file=chunks())


def _tell(report: dict[str, Any]) -> None:
    errors = report["errors"]
    if errors:
        told = [{name: each[name] or "" for name in ("line", "column", "code", "value")} for each in errors]
        rows(told[:_SHOWN], as_json=False)
        if len(errors) > _SHOWN:
            say(f"… and {len(errors) - _SHOWN} more; --json prints them all")
    sums = ", ".join(f"{each['amount']} {each['currency']}" for each in report["totals"]) or "nothing"
    left = f"; {len(errors)} lines are wrong" if errors else ""
    needs = f"{report['approvals_required']} approvals needed"
    if report["id"] is None:
        outcome = "cannot be handed in" if report["status"] == "invalid" else "could be handed in"
        say(f"{report['count']} payouts of {sums}{left}: {outcome}, {needs}.")
    else:
        waits = report["status"] == "requires_action"
        then = needs if waits else "on their way"
        say(f"{report['id']}: {report['count']} payouts of {sums}{left}; {then}.")
        if waits:
            say(f"Next: bascule approve {report['id']}")
