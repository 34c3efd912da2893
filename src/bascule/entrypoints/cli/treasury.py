"""`payouts`: a file of payouts, reported line by line or handed in; one that can never be paid, paid anew."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.merchant import ApiKey, ApiUrl, treasurys
from bascule.entrypoints.cli.output import AsJson, line, rows, say
from bascule.entrypoints.failures import USAGE, CommandFailed

if TYPE_CHECKING:
    from bascule.client import Client
    from bascule.client.objects import Payout

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
    with treasurys(api_url, api_key) as api:
        report = _send(api, raw, query | {"dry_run": "true"}, "checking")
        wrong = report["status"] == "invalid"
        if not dry_run and not wrong:
            report = _send(api, raw, query, "handing in")
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
    with treasurys(api_url, api_key) as api:
        made = _reissue(api, payout, to)
    if as_json:
        line(made)
    else:
        say(f"{made['id']} for {payout}: {made['amount']} {made['currency']} to {made['to']}.")
        say(f"Next: bascule approve {made['id']}")


def _reissue(api: Client, payout: str, to: str | None) -> Payout:
    old = api.payouts.retrieve(payout)
    return api.payouts.create(
        amount=old["amount"],
        currency=old["currency"],
        network=old["network"],
        token=old["token"],
        to=to or old["to"],
        reissue_of=old["id"],
        client_reference_id=f"reissue-{old['id']}",
    )


@dataclass
class _File:
    """The file in pieces, as often as it is sent; the bar follows."""

    raw: bytes
    told: Any

    def __iter__(self) -> Iterator[bytes]:
        for place in range(0, len(self.raw), _CHUNK):
            yield self.raw[place : place + _CHUNK]
            self.told.update(_CHUNK)


def _send(api: Client, raw: bytes, query: dict[str, str], doing: str) -> dict[str, Any]:
    with typer.progressbar(
        length=max(1, len(raw)), label=doing, file=sys.stderr, hidden=not sys.stderr.isatty()
    ) as bar:
        answer: dict[str, Any] = api.request("POST", "/v1/payout_batches", query, content=_File(raw, bar))
        return answer


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
