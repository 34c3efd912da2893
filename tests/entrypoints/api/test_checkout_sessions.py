"""A checkout session is the page of one payment intent: it ends with it, and leads back to the merchant."""

from __future__ import annotations

from typing import Any

import httpx

from bascule.entrypoints.web.checkout_view import way_back
from bascule.services.matcher import recompute
from bascule.services.outbox import Outbox
from bascule.storage import checkout_sessions
from tests.support.api import ENTROPY, Shop, new_id
from tests.support.cases import case

PATH = "/v1/checkout/sessions"
BODY = {"amount": "25.00", "currency": "usdc", "accepted": [{"network": "local"}]}
BACK = {
    "success_url": "https://shop.example/thanks?of={CHECKOUT_SESSION_ID}",
    "cancel_url": "https://shop.example/cart",
}


async def made(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    answer = await client.post(PATH, json=BODY | BACK | body)
    assert answer.status_code == 200, answer.text
    session: dict[str, Any] = answer.json()
    return session


async def code_of(client: httpx.AsyncClient, path: str, **body: Any) -> tuple[int, str, str | None]:
    answer = await client.post(path, json=body)
    return answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["param"]


async def told(shop: Shop, client: httpx.AsyncClient, session: dict[str, Any]) -> list[dict[str, Any]]:
    await shop.sequencer().run_once()
    events: list[dict[str, Any]] = (await client.get("/v1/events", params={"object": session["id"]})).json()[
        "data"
    ]
    return events


async def paid(shop: Shop, session: dict[str, Any]) -> None:
    """The whole amount is final at the session's intent, as the watcher's matching finds it."""
    async with shop.client() as client:
        intent = (await client.get(f"/v1/payment_intents/{session['payment_intent']}")).json()
    deposit = await shop.arrive(intent, 25 * 10**6)
    await shop.run("UPDATE deposits SET state = 'finalized', finalized_at = now() WHERE id = %s", deposit)
    async with shop.owner.transaction() as conn:
        await recompute(conn, {intent["id"]: {}}, Outbox(shop.clock, ENTROPY), shop.clock)


async def test_session_makes_its_intent_and_is_read_listed_and_expanded(client: httpx.AsyncClient) -> None:
    session = await made(client, description="Lamp", metadata={"order": "7"}, client_reference_id="o-7")
    intent = (await client.get(f"/v1/payment_intents/{session['payment_intent']}")).json()
    read = (await client.get(f"{PATH}/{session['id']}")).json()
    listed = (await client.get(PATH, params={"status": "open", "expand[]": "data.payment_intent"})).json()
    others = (await client.get(PATH, params={"status": "complete"})).json()

    assert (session["object"], session["status"], session["payment_status"]) == (
        "checkout.session", "open", "unpaid",
    )  # fmt: skip
    assert session["url"] == f"http://bridge.test/c/{session['id']}"
    assert session["id"].startswith("cs_")
    assert read == session
    for name in ("description", "metadata", "client_reference_id", "expires_at", "closes_at", "currency"):
        assert session[name] == intent[name]
    assert session["amount_total"] == intent["amount"] == "25.000000"
    assert listed["data"] == [session | {"payment_intent": intent}]
    assert others["data"] == []


async def test_paid_session_is_complete_in_the_event_and_leads_on(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    session = await made(client)
    await paid(shop, session)
    read = (await client.get(f"{PATH}/{session['id']}")).json()
    page = await client.get(f"/c/{session['id']}")
    [event] = await told(shop, client, session)
    refused = await code_of(client, f"{PATH}/{session['id']}/expire")

    assert (read["status"], read["payment_status"], read["url"]) == ("complete", "paid", None)
    assert event["type"] == "checkout.session.completed"
    assert event["data"] == {"object": read, "previous_attributes": {"status": "open"}}
    assert event["object_version"] == read["version"]
    assert f'href="https://shop.example/thanks?of={session["id"]}">Continue to Merchant</a>' in page.text
    assert f'data-next="https://shop.example/thanks?of={session["id"]}"' in page.text
    assert refused == (409, "checkout_session_unexpected_state", None)


async def test_expired_session_calls_its_intent_off_and_tells_both(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    session = await made(client)
    open_page = await client.get(f"/c/{session['id']}")
    ended = await client.post(f"{PATH}/{session['id']}/expire", headers={"idempotency-key": "end"})
    again = await client.post(f"{PATH}/{session['id']}/expire", headers={"idempotency-key": "end"})
    intent = (await client.get(f"/v1/payment_intents/{session['payment_intent']}")).json()
    [event] = await told(shop, client, session)
    page = await client.get(f"/c/{session['id']}")

    assert (ended.json()["status"], ended.json()["url"]) == ("expired", None)
    assert (again.content, again.headers["idempotent-replayed"]) == (ended.content, "true")
    assert (intent["status"], intent["cancellation_reason"]) == ("canceled", "abandoned")
    assert (event["type"], event["data"]["object"]) == ("checkout.session.expired", ended.json())
    assert event["request"]["idempotency_key"] == "end"
    assert 'href="https://shop.example/cart">Back to Merchant</a>' in open_page.text
    assert "Payment closed" in page.text


async def test_session_ends_with_its_intent_however_that_ends(shop: Shop, client: httpx.AsyncClient) -> None:
    canceled, closed = await made(client), await made(client)
    await client.post(f"/v1/payment_intents/{canceled['payment_intent']}/cancel")
    async with shop.owner.transaction() as conn:
        await shop.deps.intents.close(conn, closed["payment_intent"])

    for session in (canceled, closed):
        [event] = await told(shop, client, session)
        assert event["type"] == "checkout.session.expired"
        assert event["data"]["object"]["status"] == "expired"


async def test_session_wraps_an_intent_that_waits_and_no_other(shop: Shop, client: httpx.AsyncClient) -> None:
    intent = (await client.post("/v1/payment_intents", json=BODY)).json()
    over = (await client.post("/v1/payment_intents", json=BODY)).json()
    await client.post(f"/v1/payment_intents/{over['id']}/cancel")
    async with shop.client(shop.rival_secret) as rival:
        others = (await rival.post("/v1/payment_intents", json=BODY)).json()
    session = (await client.post(PATH, json={"payment_intent": intent["id"]})).json()
    before = await shop.rows()

    assert (session["payment_intent"], session["amount_total"]) == (intent["id"], intent["amount"])
    assert await code_of(client, PATH, payment_intent=intent["id"]) == (
        409, "checkout_session_exists", "payment_intent",
    )  # fmt: skip
    assert await code_of(client, PATH, payment_intent=over["id"]) == (
        409, "payment_intent_unexpected_state", "payment_intent",
    )  # fmt: skip
    assert await code_of(client, PATH, payment_intent=others["id"]) == (
        400, "payment_intent_unknown", "payment_intent",
    )  # fmt: skip
    assert await code_of(client, PATH, payment_intent=over["id"], amount="1.00") == (
        400, "parameter_invalid", "amount",
    )  # fmt: skip
    assert await shop.rows() == before


FORBIDDEN = [
    "http://shop.example/", "javascript:alert(1)", "//shop.example", "https://", "https:///cart",
    "https://a:b@shop.example/", 'https://shop.example/"onclick', "https://shop.example/a b",
    "shop.example", "https://shop.example/\n", "data:text/html,a", "https://[::1", "http://127.0.0.1.shop.example/",
]  # fmt: skip


async def test_payers_are_sent_to_https_and_nowhere_else(shop: Shop, client: httpx.AsyncClient) -> None:
    before = await shop.rows()
    for url in FORBIDDEN:
        for param in ("success_url", "cancel_url"):
            with case(f"{param} {url}"):
                assert await code_of(client, PATH, **BODY | {param: url}) == (
                    400, "return_url_forbidden", param,
                )  # fmt: skip
    assert await shop.rows() == before
    for url in ("http://localhost:3000/thanks", "http://127.0.0.1/", "http://[::1]:8080/x?y#z"):
        assert (await made(client, success_url=url))["success_url"] == url
    async with shop.client(shop.live_secret) as live:
        assert await code_of(live, PATH, **BODY | {"success_url": "http://localhost/"}) == (
            400, "return_url_forbidden", "success_url",
        )  # fmt: skip


async def test_payer_whose_money_is_on_its_way_is_not_sent_back(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    session = await made(client)
    for id in ("cs_", "cs_00000000000000000000000000", new_id("cs", shop.clock, ENTROPY)):
        assert (await client.get(f"/c/{id}")).status_code == 404
    await shop.run("UPDATE payment_intents SET state = 'processing' WHERE id = %s", session["payment_intent"])
    async with shop.owner.read() as conn:
        row = await checkout_sessions.get(conn, session["id"])
    assert row is not None

    assert way_back(row) is None
    assert await code_of(client, f"{PATH}/{session['id']}/expire") == (
        409, "checkout_session_unexpected_state", None,
    )  # fmt: skip
