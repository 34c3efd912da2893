"""`bascule redrive-webhooks`: what ran out of attempts is sent again, and the audit says so."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bascule.domain.webhook import DELAYS_S
from bascule.entrypoints.cli.app import run
from bascule.services import webhooks
from bascule.storage import audit
from tests.support.api import OpenAs, Shop, open_shop
from tests.support.hooks import deliveries, endpoint, happen, status_of
from tests.support.receiver import Receiver, local_sender, receiver


async def redrive(capsys: pytest.CaptureFixture[str], *words: str) -> list[dict[str, Any]]:
    line = ["redrive-webhooks", "--since", "2026-11-01T00:00Z", *words, "--json"]
    assert await asyncio.to_thread(run, line) == 0
    return [json.loads(row) for row in capsys.readouterr().out.splitlines()]


async def exhaust(shop: Shop, merchant: Receiver, sender: Any) -> dict[str, Any]:
    """An endpoint that took nothing in ten attempts and is well again."""

    async def fail(request: web.Request) -> web.Response:
        return web.Response(status=500)

    merchant.answers["/hook"] = fail
    hook = await endpoint(shop, merchant.url + "/hook", enabled_events=["payment_intent.created"])
    await happen(shop)
    dispatcher = shop.dispatcher(sender)
    for delay in DELAYS_S:
        shop.clock.advance(delay * 1.11)
        await dispatcher.drain()
    del merchant.answers["/hook"]
    merchant.got.clear()
    return hook


async def test_an_endpoint_that_its_merchant_switched_off_stays_off(
    db_as: OpenAs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = await open_shop(db_as)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BASCULE_CONFIG", raising=False)
    monkeypatch.setenv("BASCULE_DATABASE_URL", shop.owner.url)
    async with receiver() as merchant, local_sender() as sender:
        hook = await exhaust(shop, merchant, sender)
        async with shop.client() as client:
            await client.post(f"/v1/webhook_endpoints/{hook['id']}", json={"disabled": True})

        [left] = await redrive(capsys, "--enable")

        assert (left["was"], left["sent_again"]) == ("disabled", 0)
        assert await status_of(shop, hook["id"]) == "disabled"


async def test_redriving_sends_again_what_was_exhausted_and_a_dry_run_sends_nothing(
    db_as: OpenAs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = await open_shop(db_as)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BASCULE_CONFIG", raising=False)
    monkeypatch.setenv("BASCULE_DATABASE_URL", shop.owner.url)
    async with receiver() as merchant, local_sender() as sender:
        hook = await exhaust(shop, merchant, sender)
        async with shop.owner.transaction() as conn:
            await webhooks.disable(conn, hook["id"], shop.deps.outbox, reason="failing")

        [tried] = await redrive(capsys, "--dry-run", "--enable")
        [left] = await redrive(capsys, "--endpoint", hook["id"])
        none = await redrive(capsys, "--account", shop.rival)
        assert (tried["exhausted"], tried["sent_again"], left["sent_again"], none) == (1, 1, 0, [])
        assert len(await deliveries(shop, hook["id"])) == 1

        [done] = await redrive(capsys, "--enable")
        assert (done["was"], done["sent_again"]) == ("disabled", 1)
        shop.clock.advance(86_400 * 365)  # the command's clock is the machine's
        await shop.dispatcher(sender).drain()
        assert (len(merchant.got), await status_of(shop, hook["id"])) == (1, "enabled")
        assert await redrive(capsys) == []
    async with shop.owner.read() as conn:
        lines = await audit.of_object(conn, hook["id"])
    assert [line["action"] for line in lines if line["action"] == "webhook_endpoint.redrive"] == [
        "webhook_endpoint.redrive"
    ]
