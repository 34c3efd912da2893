"""An open payment is given more time, never less; its timeline tells it."""

import httpx

from tests.support.api import Shop
from tests.support.cases import case

PATH = "/v1/payment_intents"
BODY = {"amount": "25.00", "currency": "usdc", "accepted": [{"network": "local"}]}


async def test_open_intent_is_given_more_time_and_its_timeline_tells(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    made = (await client.post(PATH, json=BODY)).json()
    later = made["expires_at"] + 3600
    shop.clock.advance(1)
    extended = (await client.post(f"{PATH}/{made['id']}/extend", json={"expires_at": later})).json()
    deposit = await shop.arrive(extended, 5)
    await shop.sequencer().run_once()
    told = (await client.get(f"{PATH}/{made['id']}/timeline")).json()["data"]

    assert (extended["expires_at"], extended["closes_at"]) == (later, made["closes_at"] + 3600)
    assert extended["version"] == made["version"] + 1
    assert extended["next_action"] == made["next_action"]
    assert [event["type"] for event in told] == ["payment_intent.requires_action", "payment_intent.created"]
    assert told[0]["data"]["previous_attributes"]["expires_at"] == made["expires_at"]
    assert deposit.startswith("dep_")


async def test_less_time_or_an_intent_that_is_over_is_refused(shop: Shop, client: httpx.AsyncClient) -> None:
    made = (await client.post(PATH, json=BODY)).json()
    path, ends = f"{PATH}/{made['id']}/extend", made["expires_at"]
    before = await shop.rows()
    wrong = [
        ({}, "expires_at"),
        ({"expires_at": ends}, "expires_at"),
        ({"expires_at": ends + 32 * 24 * 3600}, "expires_at"),
        ({"expires_at": ends + 5, "closes_at": made["closes_at"] - 1}, "closes_at"),
        ({"expires_at": ends + 5, "closes_at": ends + 91 * 24 * 3600}, "closes_at"),
    ]
    for body, param in wrong:
        with case(str(body)):
            answer = await client.post(path, json=body)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    shop.clock.advance(2 * 3600)
    late = await client.post(path, json={"expires_at": ends + 24 * 3600})

    assert (late.status_code, late.json()["error"]["code"]) == (409, "payment_intent_unexpected_state")
    assert await shop.rows() == before


async def test_empty_metadata_removes_all_of_it(client: httpx.AsyncClient) -> None:
    made = (await client.post(PATH, json=BODY | {"metadata": {"a": "1", "b": "2"}})).json()
    one = (await client.post(f"{PATH}/{made['id']}", data={"metadata[a]": ""})).json()
    none = (await client.post(f"{PATH}/{made['id']}", data={"metadata": ""})).json()

    assert (one["metadata"], none["metadata"]) == ({"b": "2"}, {})
