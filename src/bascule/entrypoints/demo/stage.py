"""What the story is played on: the merchant's and the treasury's API, the chain, webhooks, and a timeline."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any

import aiohttp

from bascule.chain.rpc import Rpc
from bascule.domain.chain import Address
from bascule.domain.errors import BasculeError
from bascule.entrypoints.dev.wallet import Wallet
from bascule.entrypoints.mailbox import Mailbox

POLL_S = 0.1
PATIENCE_S = 45.0
RETRIED = (429, 502, 503)


class StepFailed(BasculeError):
    """A step of the story did not end as it must."""


class Timeline:
    """Prints each step when it is checked."""

    def __init__(self, began: float, *, as_json: bool) -> None:
        self._began = began
        self._as_json = as_json
        self.steps = 0

    def say(self, act: str, text: str, **facts: Any) -> None:
        """One checked step of an act; facts go to programs."""
        self.steps += 1
        at = time.monotonic() - self._began
        if self._as_json:
            self._write(
                json.dumps({"event": "step", "at_s": round(at, 2), "act": act, "checked": text, **facts})
            )
        else:
            when, who, mark = (
                self._paint(f"{at:6.1f} s", 2),
                self._paint(f"{act:<16}", 1),
                self._paint("✓", 32),
            )
            self._write(f"{when}  {who}{mark} {text}")

    def tell(self, text: str, **facts: Any) -> None:
        """A line that is no step."""
        if self._as_json:
            if facts:
                self._write(json.dumps(facts))
        else:
            self._write(text)

    def _paint(self, text: str, code: int) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if sys.stdout.isatty() else text

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


@dataclass
class Api:
    """One account's view of the REST API; a server that is not there yet is asked again with the same key."""

    session: aiohttp.ClientSession
    url: str
    key: str

    async def get(self, path: str) -> dict[str, Any]:
        """The object at a path. Raises: StepFailed with the API's words."""
        return await self._call("GET", path, None, {})

    async def post(self, path: str, **body: Any) -> dict[str, Any]:
        """The answer to a POST, whose idempotency key makes asking again safe. Raises: StepFailed."""
        return await self._call("POST", path, body, {"Idempotency-Key": f"demo-{token_hex(12)}"})

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                async with self.session.request(
                    method,
                    self.url + path,
                    json=body,
                    headers={**headers, "Authorization": f"Bearer {self.key}"},
                ) as response:
                    answer: dict[str, Any] = await response.json(content_type=None)
                in_flight = response.status == 409 and response.headers.get("Retry-After")
                if response.status < 400:
                    return answer
                if response.status not in RETRIED and not in_flight:
                    error = answer["error"]
                    raise StepFailed(f"{method} {path}: {error['message']} ({error['code']})")
                problem = f"{response.status}"
            except aiohttp.ClientError as error:
                problem = str(error)
            if time.monotonic() > deadline:
                raise StepFailed(f"{method} {path}: the API does not answer: {problem}")
            await asyncio.sleep(POLL_S)


@dataclass
class Stage:
    """Everything an act needs. ready: the fields of the ready line; opened: the treasury is booked;
    replaced: no block will be replaced any more; paid_out: its payouts are paid, and the lane is idle;
    served: the first customer's wallet is free; given_back: the refund is paid."""

    ready: Mapping[str, Any]
    timeline: Timeline
    merchant: Api
    treasury: Api
    rpc: Rpc
    mail: Mailbox
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    replaced: asyncio.Event = field(default_factory=asyncio.Event)
    paid_out: asyncio.Event = field(default_factory=asyncio.Event)
    served: asyncio.Event = field(default_factory=asyncio.Event)
    given_back: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def chain_id(self) -> int:
        """The chain all of it happens on."""
        return int(self.ready["chain_id"])

    @property
    def token(self) -> Address:
        """The contract of the dollar that is paid with."""
        return Address(bytes.fromhex(self.ready["tokens"][0]["contract"][2:]))

    def customer(self, number: int) -> Wallet:
        """A funded account with a wallet of its own."""
        return Wallet(self.rpc, self.chain_id, self.ready["funded_accounts"][number]["private_key"])

    async def intent(self, amount: str, **more: Any) -> dict[str, Any]:
        """A new payment intent."""
        return await self.merchant.post("/v1/payment_intents", amount=amount, currency="usdc", **more)

    async def form(self, url: str, **fields: str) -> str:
        """What a customer's browser shows after it posted a form of one of our pages. Raises: StepFailed."""
        async with self.merchant.session.post(url, data=fields) as answer:
            if answer.status != 200:
                raise StepFailed(f"{url} answers {answer.status}")
            return await answer.text()

    async def page(self, path: str) -> str:
        """One of our pages, as a customer's browser gets it. Raises: StepFailed."""
        async with self.merchant.session.get(self.merchant.url + path) as answer:
            if answer.status != 200:
                raise StepFailed(f"{path} answers {answer.status}")
            return await answer.text()

    async def intent_until(
        self, intent_id: str, met: Callable[[dict[str, Any]], bool], what: str
    ) -> dict[str, Any]:
        """The intent, as soon as it is as it must become."""
        return await self.until(lambda: self.merchant.get(f"/v1/payment_intents/{intent_id}"), met, what)

    async def until(
        self,
        look: Callable[[], Awaitable[dict[str, Any]]],
        met: Callable[[dict[str, Any]], bool],
        what: str,
    ) -> dict[str, Any]:
        """What `look` sees once it is met. Raises: StepFailed with what it saw last."""
        deadline = time.monotonic() + PATIENCE_S
        while not met(found := await look()):
            if time.monotonic() > deadline:
                raise StepFailed(
                    f"waited {PATIENCE_S:.0f} s in vain for {what}; last seen: {json.dumps(found)[:600]}"
                )
            await asyncio.sleep(POLL_S)
        return found

    async def told(self, event_type: str, object_id: str) -> dict[str, Any]:
        """The signed webhook about an object, received and verified."""

        async def look() -> dict[str, Any]:
            return dict(self.mail.find(event_type, object_id) or {})

        return await self.until(look, bool, f"the webhook {event_type} of {object_id}")


def check(true: bool, what: str, *seen: Any) -> None:
    """Raises: StepFailed with what was seen instead."""
    if not true:
        raise StepFailed(f"{what}; seen: {' '.join(json.dumps(each, default=str)[:600] for each in seen)}")


def due(intent: Mapping[str, Any], chain_id: int) -> tuple[Address, int]:
    """Where an intent is paid on a chain, and how much of the first token, in base units."""
    details = intent["next_action"]["display_deposit_details"]["deposit_addresses"][f"eip155:{chain_id}"]
    return Address(bytes.fromhex(details["address"][2:])), int(
        details["supported_tokens"][0]["amount_atomic"]
    )
