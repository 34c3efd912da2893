"""`logs`: what an account asked the API, and how each request ended; `logs tail` goes on as it happens."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli import patience
from bascule.entrypoints.cli.merchant import ApiKey, ApiUrl, merchants
from bascule.entrypoints.cli.output import AsJson, line, say
from bascule.entrypoints.cli.patience import Patience

if TYPE_CHECKING:
    from bascule.client import Client

POLL_S = 1.0
AT_ONCE = 100


class Follow(StrEnum):
    """The one word `logs` takes."""

    TAIL = "tail"


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(logs)


def logs(
    tail: Annotated[
        Follow | None, typer.Argument(help="tail: every new request, until Ctrl-C; else those there are.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="GET, POST or DELETE.")] = None,
    path: Annotated[str | None, typer.Option(help="This path and all below it.")] = None,
    status: Annotated[str | None, typer.Option(help="A status, or all of its kind: 4xx.")] = None,
    limit: Annotated[int, typer.Option(help="How many there are at most, without tail.", min=1)] = 20,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """What the account asked the API, as its log of requests tells it, oldest first."""
    asked = {"method": method and method.upper(), "path": path, "status": status}
    filters = {name: value for name, value in asked.items() if value is not None}
    with merchants(api_url, api_key) as api:
        tailing = Tailing(api, filters)
        for told in tailing.newest(limit) if tail is None else tailing.follow():
            line(told) if as_json else say(in_words(told))


@dataclass
class Tailing:
    """The log of one account, narrowed by filters as /v1/requests takes them.

    last: the newest line that was looked at; None: the log had none.
    """

    api: Client
    filters: Mapping[str, Any] = field(default_factory=dict)
    last: str | None = None
    _patience: Patience = field(default_factory=Patience, init=False)

    def newest(self, limit: int) -> list[Mapping[str, Any]]:
        """The newest lines, oldest first."""
        found: list[Mapping[str, Any]] = []
        page = self.api.requests.list(limit=min(limit, AT_ONCE), **self.filters)
        for each in page.auto_paging_iter():
            found.append(each)
            if len(found) == limit:
                break
        return found[::-1]

    def follow(self) -> Iterator[Mapping[str, Any]]:
        """Every line from now on, once each; for an API that is away, one when it goes. Never ends."""
        began = False
        while True:
            try:
                if began:
                    yield from self.new()
                else:
                    self.last, began = self._head(), True
                self._patience.failures = 0
                time.sleep(POLL_S)
            except patience.passing() as error:
                yield from self._patience.wait(error)

    def new(self) -> Iterator[Mapping[str, Any]]:
        """What was written since it was looked last, oldest first.

        What is read first tells how far the log went: where nothing fits, the next look begins there.
        """
        head = self._head()
        if head is None or head == self.last:
            return
        if self.last is None:
            found = self.api.requests.list(limit=AT_ONCE, **self.filters)
            lines = list(found.auto_paging_iter())[::-1]
        else:
            found = self.api.requests.list(limit=AT_ONCE, ending_before=self.last, **self.filters)
            lines = list(found.auto_paging_iter())
        self.last = lines[-1]["id"] if lines else head
        yield from lines

    def _head(self) -> str | None:
        newest = self.api.requests.list(limit=1).data
        return newest[0]["id"] if newest else None


def in_words(told: Mapping[str, Any]) -> str:
    """One line of the log for people."""
    if told.get("event") == "waiting":
        return patience.in_words(told)
    when = time.strftime("%H:%M:%S", time.localtime(told["created"]))
    missing = f"{told['left_out']} requests before this one are not in the log\n" if told["left_out"] else ""
    parts = [
        f"{missing}{when}  [{told['status']}]  {told['method']:<6} {told['path']}",
        told["error_code"],
        "replayed" if told["idempotent_replayed"] else None,
        told["key_prefix"] or told["api_key"],
        told["id"],
        f"{told['duration_ms']} ms",
    ]
    return "  ".join(part for part in parts if part)
