"""Quotes by HTTP: a rate is locked, an intent takes its amount from it, once and in time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from tests.support.api import Shop

EUROS = {"amount": "25.00", "currency": "eur", "to_currency": "usdc"}


async def posted(client: Any, path: str, **body: Any) -> tuple[int, dict[str, Any]]:
    response = await client.post(f"/v1/{path}", json=body)
    return response.status_code, response.json()


def code_of(answer: tuple[int, dict[str, Any]]) -> tuple[int, str, str | None]:
    status, body = answer
    return status, body["error"]["code"], body["error"]["param"]


async def test_an_intent_takes_amount_and_time_from_its_quote(market: Shop) -> None:
    async with market.client() as client:
        _, quote = await posted(client, "quotes", **EUROS)
        _, intent = await posted(client, "payment_intents", quote=quote["id"])
        again = (await client.get(f"/v1/quotes/{quote['id']}")).json()
        listed = (await client.get("/v1/quotes")).json()

    assert (quote["status"], quote["to_amount"], quote["to_currency"]) == ("open", "27.173914", "usdc")
    assert (quote["amount"], quote["currency"], quote["rate"]) == ("25.00", "eur", "0.92")
    assert quote["lock_expires_at"] == int(market.clock.now().timestamp()) + 900
    assert (intent["amount"], intent["currency"], intent["quote"]) == ("27.173914", "usdc", quote["id"])
    assert intent["expires_at"] == quote["lock_expires_at"]
    assert again == quote | {"status": "used", "payment_intent": intent["id"]}
    assert listed["data"] == [again]


async def test_a_quote_makes_one_intent_however_many_ask_at_once(market: Shop) -> None:
    async with market.client() as client:
        _, quote = await posted(client, "quotes", **EUROS)
        answers = await asyncio.gather(
            *(posted(client, "payment_intents", quote=quote["id"]) for _ in range(4))
        )

    assert sorted(status for status, _ in answers) == [200, 409, 409, 409]
    refused = [code_of(answer) for answer in answers if answer[0] == 409]
    assert refused == [(409, "quote_used", "quote")] * 3
    assert (await market.rows())["payment_intents"] == 1


async def test_a_quote_past_its_lock_makes_nothing(market: Shop) -> None:
    async with market.client() as client:
        _, quote = await posted(client, "quotes", **EUROS, lock_seconds=30)
        market.clock.advance(30)
        late = await posted(client, "payment_intents", quote=quote["id"])
        shown = (await client.get(f"/v1/quotes/{quote['id']}")).json()

    assert code_of(late) == (409, "quote_expired", "quote")
    assert shown["status"] == "expired"
    assert (await market.rows())["payment_intents"] == 0


async def test_what_is_wrong_with_a_quote_is_said_by_name_and_nothing_is_kept(market: Shop) -> None:
    wrong: list[tuple[dict[str, Any], tuple[int, str, str | None]]] = [
        ({"amount": 25}, (400, "amount_not_string", "amount")),
        ({"amount": "25"}, (400, "amount_decimal_point_required", "amount")),
        ({"amount": "25.001"}, (400, "amount_too_precise", "amount")),
        ({"amount": "0.00"}, (400, "amount_too_small", "amount")),
        ({"amount": "999999999999999999.00"}, (400, "amount_too_large", "amount")),
        ({"currency": "gbp"}, (400, "pair_unsupported", "currency")),
        ({"currency": "euro"}, (400, "parameter_invalid", "currency")),
        ({"to_currency": "eurc"}, (400, "currency_unsupported", "to_currency")),
        ({"lock_seconds": 29}, (400, "parameter_invalid", "lock_seconds")),
        ({"lock_seconds": 3601}, (400, "parameter_invalid", "lock_seconds")),
        ({"rate": "1.00"}, (400, "parameter_unknown", "rate")),
    ]
    async with market.client() as client:
        for change, said in wrong:
            assert code_of(await posted(client, "quotes", **EUROS | change)) == said, change
        assert (await client.get("/v1/quotes")).json()["data"] == []


async def test_a_rate_nobody_told_lately_is_not_locked(market: Shop) -> None:
    market.clock.advance(61)
    async with market.client() as client:
        stale = await posted(client, "quotes", **EUROS)
        assert (await client.get("/v1/quotes")).json()["data"] == []

    assert code_of(stale) == (409, "rate_stale", None)
    assert stale[1]["error"]["next_step"] == "Ask again in a moment."


async def test_an_intent_has_an_amount_or_a_quote_of_its_own_account(market: Shop) -> None:
    async with market.client(market.rival_secret) as client:
        _, theirs = await posted(client, "quotes", **EUROS)
        assert (await client.get(f"/v1/quotes/{theirs['id']}")).status_code == 200
    async with market.client() as client:
        _, quote = await posted(client, "quotes", **EUROS)
        assert (await client.get(f"/v1/quotes/{theirs['id']}")).status_code == 404
        cases: list[tuple[dict[str, Any], tuple[int, str, str | None]]] = [
            ({"quote": theirs["id"]}, (404, "resource_missing", "quote")),
            ({"quote": "qt_nothing"}, (404, "resource_missing", "quote")),
            ({"quote": quote["id"], "amount": "25.00"}, (400, "parameter_invalid", "amount")),
            ({"quote": quote["id"], "currency": "usdc"}, (400, "parameter_invalid", "currency")),
            ({"amount": "25.00"}, (400, "parameter_missing", "currency")),
            ({"currency": "usdc"}, (400, "parameter_missing", "amount")),
        ]
        for body, said in cases:
            assert code_of(await posted(client, "payment_intents", **body)) == said, body
    async with market.client(market.live_secret) as client:
        live = await posted(client, "payment_intents", quote=quote["id"])
    assert code_of(live) == (404, "resource_missing", "quote")
    assert (await market.rows())["payment_intents"] == 0


async def test_the_database_refuses_an_intent_that_is_not_what_its_quote_says(market: Shop) -> None:
    async with market.client() as client:
        _, quote = await posted(client, "quotes", **EUROS)
        _, plain = await posted(client, "payment_intents", amount="1.00", currency="usdc")
    with pytest.raises(psycopg.errors.CheckViolation, match="is not what quote"):
        await market.run("UPDATE payment_intents SET quote_id = %s WHERE id = %s", quote["id"], plain["id"])
    with pytest.raises(psycopg.errors.CheckViolation, match="rounded_for_the_merchant"):
        await market.run(
            "INSERT INTO quotes (id, account_id, livemode, fiat, amount, currency, due, price, created_at,"
            " lock_expires_at) SELECT 'qt_x', account_id, livemode, fiat, amount, currency, due - 1e12,"
            " price, created_at, lock_expires_at FROM quotes WHERE id = %s",
            quote["id"],
        )
    for table in ("quotes", "quote_readings", "rate_readings"):
        with pytest.raises(psycopg.Error, match=table):
            await market.run(f"TRUNCATE {table} CASCADE")


async def test_a_quote_is_asked_for_once_under_one_key(market: Shop) -> None:
    key = {"idempotency-key": "quote-1"}
    async with market.client() as client:
        first = await client.post("/v1/quotes", json=EUROS, headers=key)
        market.clock.advance(timedelta(minutes=10).total_seconds())
        second = await client.post("/v1/quotes", json=EUROS, headers=key)

    assert first.json() == second.json(), "the same quote, though its rate is stale by now"
    assert second.headers["idempotent-replayed"] == "true"
