"""Our webhooks, as sent, verify with the libraries that receivers use, and nothing else does."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import svix

from bascule.domain import webhook
from tests.support import npm
from tests.support.api import Shop
from tests.support.receiver import local_sender, receiver

pytestmark = pytest.mark.slow

REFUSED = {
    standardwebhooks.Webhook: standardwebhooks.WebhookVerificationError,
    svix.Webhook: svix.WebhookVerificationError,
}


@dataclass(frozen=True)
class Sent:
    """A webhook during a rotation, as it arrived, with both secrets that sign it."""

    old: str
    new: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        """The event's id."""
        found: str = json.loads(self.body)["id"]
        return found


@pytest.fixture
async def sent(shop: Shop) -> Sent:
    """A payment's event with more than ASCII in it, sent over HTTP while two secrets sign."""
    async with receiver() as merchant, local_sender() as sender, shop.client() as client:
        made = (await client.post("/v1/webhook_endpoints", json={"url": merchant.url + "/hook"})).json()
        path = f"/v1/webhook_endpoints/{made['id']}/rotate_secret"
        rotated = (await client.post(path, json={"overlap": 3600})).json()
        order: dict[str, Any] = {"amount": "25.00", "currency": "usdc", "description": "Bücher, 書籍"}
        assert (await client.post("/v1/payment_intents", json=order)).status_code == 200
        await shop.sequencer().run_once()
        await shop.dispatcher(sender).drain()
        [(_, headers, body)] = merchant.got
    assert "書籍".encode() in body
    return Sent(made["secret"], rotated["secret"], headers, body)


@pytest.mark.parametrize("library", list(REFUSED))
async def test_python_libraries_verify_with_either_secret_and_refuse_what_was_changed(
    sent: Sent, library: Any
) -> None:
    for secret in (sent.old, sent.new):
        library(secret).verify(sent.body, sent.headers)

    for secret, headers, body in spoilt(sent, webhook.new_secret(b"\x07" * 32)):
        with pytest.raises(REFUSED[library]):
            library(secret).verify(body, headers)


async def test_the_javascript_library_verifies_with_either_secret_and_refuses_what_was_changed(
    sent: Sent, npm_package: Callable[[str], Path]
) -> None:
    good = [(sent.old, sent.headers, sent.body), (sent.new, sent.headers, sent.body)]
    tries = [*good, *spoilt(sent, webhook.new_secret(b"\x07" * 32))]
    given = [{"secret": s, "headers": h, "body": b.decode()} for s, h, b in tries]

    said = json.loads(npm.run(npm_package("standardwebhooks") / "verify.mjs", json.dumps(given)))

    assert said[:2] == [sent.id, sent.id]
    assert len(said) == len(tries)
    assert sent.id not in said[2:]


def spoilt(sent: Sent, stranger: str) -> list[tuple[str, dict[str, str], bytes]]:
    """What must not verify: another body, id, time or secret; too old; too early."""
    now = int(time.time())

    def at(moment: int) -> dict[str, str]:
        return webhook.headers([sent.new], sent.id, moment, sent.body)

    return [
        (sent.new, sent.headers, sent.body.replace(b"25.00", b"95.00", 1)),
        (sent.new, sent.headers | {"webhook-id": "evt_other"}, sent.body),
        (sent.new, sent.headers | {"webhook-timestamp": str(now + 1)}, sent.body),
        (stranger, sent.headers, sent.body),
        (sent.new, at(now - 400), sent.body),
        (sent.new, at(now + 400), sent.body),
    ]
