"""A webhook receiver for stories and tests: nothing counts before its signature was verified."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

TOLERANCE_S = 300  # as the libraries of Standard Webhooks have it
PATH = "/{owner}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One verified POST: its headers (names in lower case), its exact bytes, the event, what we answered."""

    owner: str
    headers: Mapping[str, str]
    body: bytes
    event: Mapping[str, Any]
    answered: int


@dataclass
class Mailbox:
    """Verifies every delivery at /{owner} (Standard Webhooks, by hand) under that owner's secret.

    deliveries: verified, in their order; refused: ids of the others; answers: the status that is answered.
    """

    secrets: dict[str, str] = field(default_factory=dict)
    deliveries: list[Delivery] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    answers: int = 204
    now: Callable[[], float] = time.time

    async def receive(self, request: web.Request) -> web.Response:
        """Takes a delivery; 400 when its signature is not the owner's or its time is not ours."""
        body = await request.read()
        owner = request.match_info["owner"]
        event_id, stamp = request.headers["webhook-id"], request.headers["webhook-timestamp"]
        key = base64.b64decode(self.secrets[owner].removeprefix("whsec_"))
        expected = base64.b64encode(
            hmac.digest(key, f"{event_id}.{stamp}.".encode() + body, "sha256")
        ).decode()
        given = [entry.partition(",")[2] for entry in request.headers["webhook-signature"].split()]
        signed = any(hmac.compare_digest(expected, each) for each in given)
        if not signed or abs(self.now() - int(stamp)) > TOLERANCE_S:
            self.refused.append(event_id)
            return web.Response(status=400)
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.deliveries.append(Delivery(owner, headers, body, json.loads(body), self.answers))
        return web.Response(status=self.answers)

    @property
    def events(self) -> list[Mapping[str, Any]]:
        """Every event that was taken (answered 2xx), once, in the order of arrival."""
        taken = [delivery.event for delivery in self.deliveries if 200 <= delivery.answered < 300]
        return list({event["id"]: event for event in taken}.values())

    def find(self, event_type: str, object_id: str) -> Mapping[str, Any] | None:
        """The verified event of this type about this object."""
        for event in self.events:
            if event["type"] == event_type and event["data"]["object"]["id"] == object_id:
                return event
        return None


@asynccontextmanager
async def receiving(mail: Mailbox) -> AsyncIterator[str]:
    """The mailbox behind HTTP on a free port of this machine; gives its address."""
    app = web.Application()
    app.router.add_post(PATH, mail.receive)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
