"""`fixtures` and `trigger`: requests of a file, and those that bring an event about."""

from __future__ import annotations

import json
import os
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer

from bascule.entrypoints.cli.merchant import ApiKey, ApiUrl, merchants, treasurys
from bascule.entrypoints.cli.output import AsJson, line, rows, say
from bascule.entrypoints.cli.place import remembered
from bascule.entrypoints.cli.script import Script, Step
from bascule.entrypoints.failures import USAGE, CommandFailed

TOLD_WITHIN_S = 45.0
_PAGE = 100


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(fixtures)
    app.command()(trigger)


def fixtures(
    file: Annotated[Path, typer.Argument(help="JSON or TOML with the list `fixtures`.")],
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Sends the requests of a file one after the other; each may use the answers before it."""
    steps = _read(file)
    with _script(api_url, api_key) as script:
        _play(script, steps, as_json=as_json)


def trigger(
    event: Annotated[str | None, typer.Argument(help="Which event; without it, all there are.")] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Brings about what an event tells, on the development chain, and waits until it was told."""
    found = triggers()
    if event is None:
        rows([{"event": name, "by": found[name].get("by") or found[name]["not_here"]} for name in found],
             as_json=as_json)  # fmt: skip
        return
    if event not in found:
        raise CommandFailed(f"there is no event {event}", "`bascule trigger` names them all", code=USAGE)
    if reason := found[event].get("not_here"):
        raise CommandFailed(f"{event} cannot be triggered: {reason}", "docs/api/sandbox.md", code=USAGE)
    with _script(api_url, api_key) as script:
        told_to = script.clients[found[event]["told_to"]]
        newest = told_to.events.list(limit=_PAGE).data
        after = max((each["account_sequence"] for each in newest), default=0)
        _play(script, found[event]["fixtures"], as_json=as_json)
        deadline = time.monotonic() + TOLD_WITHIN_S
        while not (told := told_to.events.list(after_sequence=after, type=event, limit=1).data):
            if time.monotonic() > deadline:
                raise CommandFailed(
                    f"{event} was not told within {TOLD_WITHIN_S:.0f} s",
                    "is every process of the installation running? bascule doctor",
                )
            time.sleep(POLL_S)
    if as_json:
        line({"event": "told", "id": told[0]["id"], "type": event})
    else:
        say(f"{event}: {told[0]['id']}")


POLL_S = 0.25


@cache
def triggers() -> dict[str, dict[str, Any]]:
    """Every event type, in order: its steps and who is told of it, or why it cannot be had on demand."""
    text = files("bascule.entrypoints.cli").joinpath("triggers.toml").read_text(encoding="utf-8")
    written = tomllib.loads(text)
    found = {event: {"not_here": reason} for event, reason in written.pop("not_here").items()}
    for name, script in written.items():
        for event in script["tells"]:
            told_to = script.get("told_to", "merchant")
            found[event] = {"by": name, "told_to": told_to, "fixtures": script["fixtures"]}
    return dict(sorted(found.items()))


@contextmanager
def _script(api_url: str | None, api_key: str | None) -> Iterator[Script]:
    """With a key of one's own that key alone; else both accounts of the development installation."""
    with ExitStack() as stack:
        clients = {"merchant": stack.enter_context(merchants(api_url, api_key))}
        keys: list[str] = []
        if api_key is None:
            clients["treasury"] = stack.enter_context(treasurys(api_url, None))
            keys = [each["private_key"] for each in remembered("ready")["treasury"]["approvers"]]
        yield Script(clients, os.environ, keys)


def _play(script: Script, steps: Sequence[Step], *, as_json: bool) -> None:
    for name, answer in script.play(steps):
        if as_json:
            line({"event": "answered", "name": name, "answer": answer})
        else:
            known = answer if isinstance(answer, Mapping) else {}
            shown = [str(known[key]) for key in ("id", "tx_hash", "status") if known.get(key)]
            say(f"  {name:<24} {'  '.join(shown) or 'done'}")


def _read(file: Path) -> Sequence[Step]:
    try:
        raw = file.read_text(encoding="utf-8")
        found = tomllib.loads(raw) if file.suffix == ".toml" else json.loads(raw)
        steps = found["fixtures"]
        if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
            raise TypeError("`fixtures` is no list of requests")
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise CommandFailed(
            f"{file} cannot be read as fixtures: {error}",
            'JSON such as {"fixtures": [{"name": …, "method": …, "path": …, "params": {…}}]}, or TOML',
            code=USAGE,
        ) from None
    return steps
