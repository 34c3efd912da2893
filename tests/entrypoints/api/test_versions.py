"""Two dated versions side by side: an account is answered and told in its own, or answered as it asks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest

from bascule.domain.versions import API_VERSION, Version, Versions
from bascule.entrypoints.api import create_app
from bascule.storage import accounts
from tests.support.api import Shop

NEWER = "2031-01-01"  # so the accounts there are, pinned to the one of today, speak an older one


def renamed(now: str, before: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda shown: {(before if name == now else name): part for name, part in shown.items()}


TWO = Versions((
    Version(API_VERSION),
    Version(NEWER, {"payment_intent": renamed("status", "state"), "deposit": renamed("tx_hash", "hash")}),
))  # fmt: skip


@pytest.fixture
def shop(shop: Shop) -> Shop:
    """A shop of an installation that speaks a version more than we do."""
    shop.deps = replace(shop.deps, versions=TWO)
    return shop


@asynccontextmanager
async def asking(shop: Shop, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose answers are not held against today's document."""
    app = create_app(shop.deps)
    known = {"authorization": f"Bearer {shop.secret}", **headers}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app), base_url="http://bridge.test", headers=known
    ) as client:
        yield client


async def told(shop: Shop) -> list[dict[str, Any]]:
    """Everything that has been told to the merchant, as webhooks carry it."""
    await replace(shop.sequencer(), versions=TWO).run_once()
    async with shop.owner.read() as conn:
        cursor = await conn.execute("SELECT body FROM events ORDER BY account_sequence")
        return [orjson.loads(body) for (body,) in await cursor.fetchall()]


def spelled(shown: Mapping[str, Any]) -> str:
    """Which of the two spellings of an intent this is."""
    assert ("state" in shown) != ("status" in shown)
    return API_VERSION if "state" in shown else NEWER


ENDPOINT = {"url": "https://merchant.example/hooks"}
ORDER = {"amount": "25.00", "currency": "usdc", "metadata": {"object": "payment_intent", "status": "mine"}}


async def test_answers_are_in_the_pinned_version_unless_a_header_names_another(shop: Shop) -> None:
    async with asking(shop) as client:
        made = await client.post("/v1/payment_intents", json=ORDER)
        path = f"/v1/payment_intents/{made.json()['id']}"
        await shop.arrive((await client.get(path, headers={"bascule-version": NEWER})).json(), 25_000_000)
        answers = {
            asked: [
                await client.get(path, headers=headers),
                await client.get("/v1/payment_intents", headers=headers),
                await client.get("/v1/payment_intents/search", params={"query": 'status:"requires_action"'},
                                 headers=headers),
                await client.post(path, json={"description": asked}, headers=headers),
            ]
            for asked, headers in ((API_VERSION, {}), (NEWER, {"bascule-version": NEWER}))
        }  # fmt: skip
        whole = await client.get(path, params={"expand[]": "latest_deposit"})

    assert spelled(made.json()) == API_VERSION
    for asked, given in answers.items():
        for answer in given:
            shown = answer.json().get("data", [answer.json()])[0]
            assert (answer.status_code, answer.headers["bascule-version"]) == (200, asked)
            assert (spelled(shown), shown["metadata"]) == (asked, ORDER["metadata"])
    assert {"hash", "tx_hash"} & whole.json()["latest_deposit"].keys() == {"hash"}


async def test_a_pin_moves_answers_and_what_is_told_from_then_on_and_nothing_before(shop: Shop) -> None:
    async with asking(shop) as client:
        first = (await client.post("/v1/payment_intents", json=ORDER)).json()["id"]
        before = await told(shop)
        pinned = await client.post(f"/v1/accounts/{shop.merchant}", json={"api_version": NEWER})
        after = await client.get(f"/v1/payment_intents/{first}")
        await client.post(f"/v1/payment_intents/{first}/cancel")
        events = await told(shop)
        listed = (await client.get("/v1/events", params={"after_sequence": 0})).json()["data"]
        one = (await client.get(f"/v1/events/{events[0]['id']}")).json()

    assert pinned.json()["api_version"] == NEWER
    assert spelled(after.json()) == NEWER
    assert [event["type"] for event in events] == ["payment_intent.created", "payment_intent.canceled"]
    assert [event["api_version"] for event in events] == [API_VERSION, NEWER]
    assert [spelled(event["data"]["object"]) for event in events] == [API_VERSION, NEWER]
    assert events[1]["data"]["previous_attributes"] == {"status": "requires_action"}
    assert events[:1] == before == [one]
    assert listed == events


async def test_what_an_older_version_is_told_was_before_is_spelled_as_it_spells_it(shop: Shop) -> None:
    async with asking(shop, **{"bascule-version": NEWER}) as client:
        made = (await client.post("/v1/payment_intents", json=ORDER)).json()
        await client.post(f"/v1/payment_intents/{made['id']}/cancel")

    created, canceled = await told(shop)

    assert spelled(made) == NEWER, "a header is for its answer alone"
    assert [created["api_version"], canceled["api_version"]] == [API_VERSION, API_VERSION]
    assert canceled["data"]["object"]["state"] == "canceled"
    assert canceled["data"]["previous_attributes"] == {"state": "requires_action"}


async def test_a_repeated_answer_is_the_first_byte_for_byte_whatever_version_is_named(shop: Shop) -> None:
    newer = {"bascule-version": NEWER}
    async with asking(shop) as client:
        for path, body in (
            ("/v1/payment_intents", ORDER),
            ("/v1/webhook_endpoints", ENDPOINT),
        ):  # many at once, and one alone
            for headers in ({}, newer):
                key = {"idempotency-key": f"{path}{len(headers)}"}
                first = await client.post(path, json=body, headers=key | headers)
                again = [await client.post(path, json=body, headers=key | other) for other in ({}, newer)]

                assert first.status_code == 200, first.text
                for each in again:
                    assert (each.content, each.headers["idempotent-replayed"]) == (first.content, "true")
                    assert each.headers["bascule-version"] == first.headers["bascule-version"]
                assert first.headers["bascule-version"] == headers.get("bascule-version", API_VERSION)


async def test_a_date_that_is_none_is_refused_with_those_that_are(shop: Shop) -> None:
    async with asking(shop) as client:
        answer = await client.get("/v1/balance", headers={"bascule-version": "2030-12-31"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "version_unknown")
    assert f"{API_VERSION}, {NEWER}" in answer.json()["error"]["next_step"]


async def test_a_new_account_is_pinned_to_the_newest_version(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "API_VERSION", NEWER)
    async with shop.owner.transaction() as conn:
        await accounts.create(conn, id="acct_new", kind="merchant", name="New", created_at=shop.clock.now())
        made = await accounts.get(conn, "acct_new")

    assert made is not None
    assert (made.test_version, made.live_version) == (NEWER, NEWER)
