"""Time that goes on for one account's test objects: what falls due, what stays, and whose time it is not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest

from bascule.entrypoints.dev.purse import WellKnownPurse
from bascule.services.biller import Biller
from bascule.services.outbox import Outbox
from bascule.services.sandbox import Sandbox
from tests.support.api import ENTROPY, START, Shop
from tests.support.sandbox import ask, refusal

DAY = 86_400
NOW = int(START.timestamp())
EUROS = {"amount": "25.00", "currency": "eur", "to_currency": "usdc"}
LAMP = {"currency": "usdc", "lines": [{"description": "Lamp", "unit_amount": "2.00"}]}
WITH_DEADLINES = (
    "payment_intents", "quotes", "invoices", "refunds", "settlements", "balance_settings",
    "webhook_endpoints",
)  # fmt: skip


@pytest.fixture
async def timed(market: Shop) -> Shop:
    """A shop with a sandbox whose development networks have no node of ours: deadlines alone."""
    market.deps = replace(market.deps, sandbox=Sandbox(market.api, {}, WellKnownPurse()))
    return market


async def posted(client: httpx.AsyncClient, path: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"/v1/{path}", json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def one_of_each(client: httpx.AsyncClient, network: str) -> dict[str, dict[str, Any]]:
    """An open intent, an open invoice due in 30 days, a quote, and settings with a due time."""
    draft = await posted(client, "invoices", **LAMP, due_at=NOW + 30 * DAY)
    settings = {"interval": "daily", "to": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"}
    return {
        "intent": await posted(client, "payment_intents", amount="2.00", currency="usdc"),
        "invoice": await posted(client, f"invoices/{draft['id']}/finalize"),
        "quote": await posted(client, "quotes", **EUROS),
        "settings": await posted(client, "balance_settings", network=network, currency="usdc", **settings),
    }


async def not_ours(shop: Shop) -> list[Any]:
    """Every row with a deadline that is live, or somebody else's."""
    parts = " UNION ALL ".join(
        f"SELECT '{table}', to_jsonb(t)::text FROM {table} AS t WHERE livemode OR account_id <> %(account)s"
        for table in WITH_DEADLINES
    )
    async with shop.owner.read() as conn:
        found = await conn.execute(f"{parts} ORDER BY 1, 2".encode(), {"account": shop.merchant})
        return list(await found.fetchall())


async def test_live_rows_and_other_accounts_stand_still_while_one_accounts_test_time_goes_on(
    timed: Shop,
) -> None:
    async with timed.client(timed.live_secret) as live, timed.client(timed.rival_secret) as rival:
        await one_of_each(live, "eip155:8453")
        await one_of_each(rival, "eip155:31337")
    await timed.run("UPDATE api_keys SET revoked_at = now() WHERE livemode")
    before = await not_ours(timed)
    async with timed.client() as client:
        mine = await one_of_each(client, "eip155:31337")
        gone = await ask(client, "test_clocks/advance", seconds=DAY)
        invoice = (await client.get(f"/v1/invoices/{mine['invoice']['id']}")).json()
        intent = (await client.get(f"/v1/payment_intents/{mine['intent']['id']}")).json()

    assert {table for table, _ in before} >= {"payment_intents", "quotes", "invoices", "balance_settings"}
    assert await not_ours(timed) == before
    assert {kind for kind, count in gone["moved"].items() if count} == {
        "payment_intents", "quotes", "invoices", "balance_settings",
    }  # fmt: skip
    assert invoice["due_at"] == mine["invoice"]["due_at"] - DAY
    assert intent["closes_at"] == mine["intent"]["closes_at"] - DAY
    assert intent["expires_at"] == NOW, "what was paid until now is in time"
    assert intent["version"] == mine["intent"]["version"] + 1


async def test_invoices_remind_and_quotes_lapse_as_time_goes_on(timed: Shop) -> None:
    await timed.run("UPDATE api_keys SET revoked_at = now() WHERE livemode")
    biller = Biller(timed.worker, timed.clock, ENTROPY, Outbox(timed.clock, ENTROPY))

    async def reminded_after(days: int) -> list[str]:
        await ask(client, "test_clocks/advance", seconds=days * DAY)
        await biller.run_once()
        await timed.sequencer().run_once()
        told = (await client.get("/v1/events?limit=100")).json()["data"]
        told.sort(key=lambda each: each["account_sequence"])
        return [each["type"] for each in told if each["type"].endswith(("due", "overdue"))]

    async with timed.client() as client:
        mine = await one_of_each(client, "eip155:31337")
        used = await posted(client, "quotes", **EUROS)
        paid_by = await posted(client, "payment_intents", quote=used["id"])
        soon = await reminded_after(27)
        due = await reminded_after(2)
        over = await reminded_after(1)
        timed.clock.advance(1)
        late = await client.post("/v1/payment_intents", json={"quote": mine["quote"]["id"]})
        kept = (await client.get(f"/v1/quotes/{used['id']}")).json()

    assert (soon, due, over) == (
        ["invoice.will_be_due"],
        ["invoice.will_be_due", "invoice.due"],
        ["invoice.will_be_due", "invoice.due", "invoice.overdue"],
    )
    assert late.json()["error"]["code"] == "quote_expired"
    assert kept == used | {"status": "used", "payment_intent": paid_by["id"]}


async def test_a_span_that_makes_no_sense_is_refused_and_moves_nothing(timed: Shop) -> None:
    await timed.run("UPDATE api_keys SET revoked_at = now() WHERE livemode")
    async with timed.client() as client:
        made = await posted(client, "payment_intents", amount="2.00", currency="usdc")
        said = [
            await refusal(client, "test_clocks/advance", **body)
            for body in ({}, {"seconds": 0}, {"seconds": -5}, {"seconds": 366 * DAY + 1}, {"seconds": 2**50},
                         {"seconds": "an hour"}, {"seconds": 1.5}, {"minutes": 3})
        ]  # fmt: skip
        after = (await client.get(f"/v1/payment_intents/{made['id']}")).json()

    assert said == [
        (400, "parameter_missing", "seconds"),
        (400, "test_clock_backwards", "seconds"),
        (400, "test_clock_backwards", "seconds"),
        (400, "test_clock_too_far", "seconds"),
        (400, "test_clock_too_far", "seconds"),
        (400, "parameter_invalid", "seconds"),
        (400, "parameter_invalid", "seconds"),
        (400, "parameter_unknown", "minutes"),
    ]
    assert after == made


async def test_the_database_lets_no_live_deadline_come_nearer_and_no_quote_change_otherwise(
    timed: Shop,
) -> None:
    async with timed.client(timed.live_secret) as live, timed.client() as client:
        theirs = await posted(live, "payment_intents", amount="2.00", currency="usdc")
        await posted(client, "quotes", **EUROS)
        await posted(live, "quotes", **EUROS)
    for statement in (
        f"UPDATE payment_intents SET closes_at = closes_at - interval '1 hour' WHERE id = '{theirs['id']}'",
        "UPDATE payment_intents SET closes_at = closes_at - interval '1 s', metadata = '{}' WHERE livemode",
        "UPDATE quotes SET lock_expires_at = lock_expires_at - interval '1 minute' WHERE livemode",
        "UPDATE quotes SET lock_expires_at = lock_expires_at + interval '1 minute' WHERE NOT livemode",
        "UPDATE quotes SET lock_expires_at = lock_expires_at - interval '1 minute', due = due + 1",
        "DELETE FROM quotes",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await timed.run(statement)
    with pytest.raises(psycopg.errors.InvalidParameterValue):
        await timed.run("SELECT advance_test_clock('acct_x', interval '-1 s', now())")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        async with timed.worker.transaction() as conn:
            await conn.execute("SELECT advance_test_clock('acct_x', interval '1 s', now())")
