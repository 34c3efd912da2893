"""The demo believes nothing unchecked: signatures, answers and steps are looked at; a failed one ends it."""

import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bascule.entrypoints.demo import stage
from bascule.entrypoints.demo.stage import Api, StepFailed, Timeline, check
from bascule.entrypoints.demo.story import tell
from bascule.entrypoints.mailbox import Mailbox, receiving

SECRET = "whsec_" + base64.b64encode(b"k" * 32).decode()
EVENT = {"id": "evt_1", "type": "payment_intent.succeeded", "data": {"object": {"id": "pi_1"}}}
READY = {
    "api_url": "http://127.0.0.1:1",
    "rpc_url": "http://127.0.0.1:1",
    "secret_key": "sk_test_x",
    "treasury": {"secret_key": "sk_test_y"},
}


def signed(body: bytes, key: bytes, at: int) -> dict[str, str]:
    digest = hmac.digest(key, f"evt_1.{at}.".encode() + body, "sha256")
    return {
        "webhook-id": "evt_1",
        "webhook-timestamp": str(at),
        "webhook-signature": "v1,AAAA v1," + base64.b64encode(digest).decode(),
    }


async def deliver(mail: Mailbox, key: bytes, at: int) -> int:
    body = json.dumps(EVENT).encode()
    async with (
        receiving(mail) as address,
        aiohttp.ClientSession() as session,
        session.post(f"{address}/merchant", data=body, headers=signed(body, key, at)) as response,
    ):
        return response.status


async def test_delivery_with_the_right_signature_is_found_by_type_and_object() -> None:
    mail = Mailbox(secrets={"merchant": SECRET})

    assert await deliver(mail, b"k" * 32, int(time.time())) == 204
    assert mail.find("payment_intent.succeeded", "pi_1") == EVENT
    assert mail.find("payment_intent.succeeded", "pi_2") is None


@pytest.mark.parametrize(("key", "age"), [(b"x" * 32, 0), (b"k" * 32, 3600)])
async def test_delivery_with_a_wrong_or_old_signature_is_refused(key: bytes, age: int) -> None:
    mail = Mailbox(secrets={"merchant": SECRET})

    assert await deliver(mail, key, int(time.time()) - age) == 400
    assert mail.refused == ["evt_1"]
    assert mail.find("payment_intent.succeeded", "pi_1") is None


def test_check_that_fails_says_what_was_seen() -> None:
    check(True, "fine")
    with pytest.raises(StepFailed, match="two approvals; seen:"):
        check(False, "two approvals", {"approvals": 1})


def test_step_for_programs_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    timeline = Timeline(time.monotonic(), as_json=True)
    timeline.say("exact", "paid", tx_hash="0x1")
    timeline.tell("only for people")

    [line] = capsys.readouterr().out.splitlines()
    assert json.loads(line)["checked"] == "paid"
    assert timeline.steps == 1


async def test_story_without_an_api_fails_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stage, "PATIENCE_S", 0.2)

    told = await tell(READY, tmp_path / "none.toml", as_json=True, began=time.monotonic(), ready_s=0.0)

    assert told is False
    failed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert failed["event"] == "failed"
    assert "the API does not answer" in failed["error"]


@pytest.fixture
async def stubborn() -> AsyncIterator[tuple[str, list[str]]]:
    """An API that is away twice, then answers; and the idempotency keys it saw."""
    seen: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers["Idempotency-Key"])
        return web.json_response({"id": "x"}, status=503 if len(seen) < 3 else 200)

    app = web.Application()
    app.router.add_post("/v1/things", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    await runner.cleanup()


async def test_request_to_an_api_that_is_away_is_sent_again_under_the_same_key(
    stubborn: tuple[str, list[str]],
) -> None:
    url, seen = stubborn
    async with aiohttp.ClientSession() as session:
        answer: dict[str, Any] = await Api(session, url, "sk_test_x").post("/v1/things", amount="1.00")

    assert answer == {"id": "x"}
    assert len(seen) == 3
    assert len(set(seen)) == 1
