"""`listen`: events of a test account, forwarded to a server on this machine as a webhook would bring them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli import patience
from bascule.entrypoints.cli.merchant import ApiKey, ApiUrl, merchants
from bascule.entrypoints.cli.output import AsJson, line, say
from bascule.entrypoints.cli.patience import Patience
from bascule.entrypoints.failures import USAGE, CommandFailed

if TYPE_CHECKING:
    from bascule.client import Client

RECONNECT_S = 1.0
ANSWER_WITHIN_S = 15.0  # as long as a real delivery waits


def add_to(app: typer.Typer) -> None:
    """Adds these commands."""
    app.command()(listen)


def listen(
    forward_to: Annotated[str, typer.Option(help="Your server, e.g. http://127.0.0.1:4242/hook.")],
    events: Annotated[
        str | None, typer.Option(help="Only these types, with commas between; else every event.")
    ] = None,
    api_url: ApiUrl = None,
    api_key: ApiKey = None,
    as_json: AsJson = False,
) -> None:
    """Forwards every new event to your server, signed with a secret made now, until Ctrl-C."""
    if not forward_to.startswith(("http://", "https://")):
        raise CommandFailed(
            f"--forward-to {forward_to} is no URL", "e.g. http://127.0.0.1:4242/hook", code=USAGE
        )
    from bascule.domain.webhook import SECRET_BYTES, new_secret

    secret = new_secret(secrets.token_bytes(SECRET_BYTES))
    with merchants(api_url, api_key) as api:
        forwarder = Forwarder(api, forward_to, secret, () if events is None else events.split(","))

        def tell(told: dict[str, Any]) -> None:
            line(told) if as_json else say(_in_words(told))

        for told in forwarder.start():
            tell(told)
        if as_json:
            line({"event": "ready", "secret": secret, "forward_to": forward_to, "after": forwarder.after})
        else:
            say(f"Ready. Your webhook signing secret is {secret} (Ctrl-C to stop).")
        for told in forwarder.follow():
            tell(told)


@dataclass
class Forwarder:
    """What is new for an account, and what a server says to it. after: the last sequence that was seen."""

    api: Client
    target: str
    secret: str
    types: Sequence[str] = ()
    after: int | None = None
    _patience: Patience = field(default_factory=Patience, init=False)

    def start(self) -> Iterator[dict[str, Any]]:
        """From now on: what happened before is not forwarded. One line when the API is away."""
        while self.after is None:
            try:
                newest = self.api.events.list(limit=1).data
            except patience.passing() as error:
                yield from self._patience.wait(error)
            else:
                self.after = max((event["account_sequence"] for event in newest), default=0)

    def follow(self) -> Iterator[dict[str, Any]]:
        """One line for each new event and its answer; for an API that is away, one when it goes. Never ends.

        A stream that breaks is followed from where it broke: nothing is missed and nothing forwarded twice.
        """
        while True:
            asked: dict[str, Any] = {"after_sequence": self.after or 0}
            if self.types:
                asked["types"] = list(self.types)
            try:
                with self.api.stream("/v1/events/stream", asked) as lines:
                    self._patience.failures = 0
                    for event in _events(lines):
                        told = self._forward(event)
                        self.after = event["account_sequence"]
                        yield {"event": "forwarded", **told}
                time.sleep(RECONNECT_S)
            except patience.passing() as error:
                yield from self._patience.wait(error)

    def _forward(self, event: dict[str, Any]) -> dict[str, Any]:
        import httpx
        import orjson

        from bascule.domain.webhook import headers

        body = orjson.dumps(event)
        signed = headers([self.secret], event["id"], int(time.time()), body)
        told = {
            "id": event["id"],
            "type": event["type"],
            "account_sequence": event["account_sequence"],
            "object": event["data"]["object"].get("id"),
        }
        began = time.perf_counter()
        try:
            answer = httpx.post(
                self.target,
                content=body,
                headers=signed | {"content-type": "application/json", "user-agent": "bascule-listen"},
                timeout=ANSWER_WITHIN_S,
            )
        except httpx.HTTPError as error:
            return told | {"status": None, "error": f"{type(error).__name__}: {error}", "ms": _ms(began)}
        return told | {"status": answer.status_code, "error": None, "ms": _ms(began)}


def _events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The events of a stream, each of which is one line of data."""
    import orjson

    for text in lines:
        if text.startswith("data: "):
            yield orjson.loads(text.removeprefix("data: "))


def _ms(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)


def _in_words(told: dict[str, Any]) -> str:
    if told["event"] == "waiting":
        return patience.in_words(told)
    when = time.strftime("%H:%M:%S")
    answer = f"[{told['status']}]" if told["status"] is not None else f"[no answer: {told['error']}]"
    return f"{when}  {answer:<6} {told['type']:<34} {told['id']}  {told['object'] or ''}  {told['ms']} ms"
