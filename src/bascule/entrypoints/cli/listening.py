"""`listen`: events of a test account, forwarded to a server on this machine as a webhook would bring them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bascule.entrypoints.cli.merchant import ApiKey, ApiUrl, merchants
from bascule.entrypoints.cli.output import AsJson, line, say
from bascule.entrypoints.failures import USAGE, CommandFailed

if TYPE_CHECKING:
    from bascule.client import Client

POLL_S = 0.5
ANSWER_WITHIN_S = 15.0  # as long as a real delivery waits
_PAGE = 100


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
        forwarder.start()
        if as_json:
            line({"event": "ready", "secret": secret, "forward_to": forward_to, "after": forwarder.after})
        else:
            say(f"Ready. Your webhook signing secret is {secret} (Ctrl-C to stop).")
        while True:
            for told in forwarder.round():
                line(told) if as_json else say(_in_words(told))
            time.sleep(POLL_S)


@dataclass
class Forwarder:
    """What is new for an account, and what a server says to it. after: the last sequence that was seen."""

    api: Client
    target: str
    secret: str
    types: Sequence[str] = ()
    after: int = 0
    _lost: bool = field(default=False, init=False)

    def start(self) -> None:
        """From now on: what happened before is not forwarded."""
        newest = self.api.events.list(limit=_PAGE).data
        self.after = max((event["account_sequence"] for event in newest), default=0)

    def round(self) -> Iterator[dict[str, Any]]:
        """One line for each new event and its answer; for an API that is away, one line when it goes."""
        from bascule.client import ConnectionLost, ServerError

        asked: dict[str, Any] = {"after_sequence": self.after, "limit": _PAGE}
        if self.types:
            asked["types"] = list(self.types)
        try:
            for event in self.api.events.list(**asked).auto_paging_iter():
                yield {"event": "forwarded", **self._forward(dict(event))}
                self.after = event["account_sequence"]
                self._lost = False
        except (ConnectionLost, ServerError) as error:
            if not self._lost:
                yield {"event": "waiting", "error": str(error)}
            self._lost = True

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


def _ms(began: float) -> int:
    return round((time.perf_counter() - began) * 1000)


def _in_words(told: dict[str, Any]) -> str:
    when = time.strftime("%H:%M:%S")
    if told["event"] == "waiting":
        return f"{when}  the API does not answer, still asking: {told['error']}"
    answer = f"[{told['status']}]" if told["status"] is not None else f"[no answer: {told['error']}]"
    return f"{when}  {answer:<6} {told['type']:<34} {told['id']}  {told['object'] or ''}  {told['ms']} ms"
