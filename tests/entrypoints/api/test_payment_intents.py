"""Payment intents over HTTP: made, read, changed, listed, called off."""

from typing import Any

import httpx
import pytest

from bascule.domain import forwarder
from bascule.domain.chain import checksum
from bascule.storage import statements
from tests.support.api import FACTORY, LOCAL, SEED, Shop
from tests.support.cases import case

EXPIRES = 5  # seconds of life: short ones are allowed


async def create(client: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    answer = await client.post("/v1/payment_intents", json={"amount": "25.00", "currency": "usdc"} | params)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_an_intent_has_its_own_address_on_every_network_of_its_mode(
    client: httpx.AsyncClient,
) -> None:
    first, second = await create(client), await create(client)

    def addresses(intent: dict[str, Any]) -> dict[str, str]:
        shown = intent["next_action"]["display_deposit_details"]["deposit_addresses"]
        return {network: details["address"] for network, details in shown.items()}

    assert set(addresses(first)) == {"eip155:31337", "eip155:31338"}
    assert not set(addresses(first).values()) & set(addresses(second).values())
    assert set(addresses(first).values()) <= {
        checksum(forwarder.deposit_address(FACTORY, SEED, 0, n)) for n in range(3)
    }
    assert (first["amount"], first["amount_remaining"], first["status"]) == (
        "25.000000", "25.000000", "requires_action",
    )  # fmt: skip


async def test_the_payment_uri_names_token_chain_address_and_whole_units(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    intent = await create(client, accepted=[{"network": "local"}])

    [(network, details)] = intent["next_action"]["display_deposit_details"]["deposit_addresses"].items()
    [token] = details["supported_tokens"]
    assert network == f"eip155:{LOCAL}"
    assert token["amount_atomic"] == "25000000"
    assert token["eip681_uri"] == (
        f"ethereum:{checksum(shop.tokens['local'].contract)}@{LOCAL}/transfer"
        f"?address={details['address']}&uint256=25000000"
    )
    assert details["confirmations_required"] == 4


async def test_everything_given_comes_back_as_given(client: httpx.AsyncClient, shop: Shop) -> None:
    now = int(shop.clock.now().timestamp())
    made = await create(
        client, expires_at=now + EXPIRES, closes_at=now + 60, client_reference_id="order-1",
        description="Two lamps", metadata={"order": "1"},
        policy={
            "underpay_tolerance_bps": 50, "underpay_tolerance_abs": "0.10", "late": "hold", "overpay": "keep",
        },
    )  # fmt: skip

    read = (await client.get(f"/v1/payment_intents/{made['id']}")).json()

    assert read == made
    assert (read["expires_at"], read["closes_at"]) == (now + EXPIRES, now + 60)
    assert read["policy"] == {
        "underpay_tolerance_bps": 50, "underpay_tolerance_abs": "0.100000", "late": "hold", "overpay": "keep",
        "finality": "finalized",
    }  # fmt: skip
    assert (read["description"], read["metadata"], read["client_reference_id"]) == (
        "Two lamps", {"order": "1"}, "order-1",
    )  # fmt: skip


async def test_a_read_is_two_statements_who_asks_and_all_that_is_shown(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, sent, counts = await create(client), [], []
    ready = statements._ready

    async def counted(conn: Any, session: Any, statement: Any, params: Any) -> Any:
        sent.append(statement.text)
        return await ready(conn, session, statement, params)

    monkeypatch.setattr(statements, "_ready", counted)
    for _ in range(6):  # a connection's first reads networks and tokens too
        sent.clear()
        assert (await client.get(f"/v1/payment_intents/{made['id']}")).json() == made
        counts.append(len(sent))

    assert min(counts) == 2


async def test_a_form_with_brackets_says_the_same_as_json(client: httpx.AsyncClient) -> None:
    form = (
        "amount=25.00&currency=usdc&accepted[0][network]=local&metadata[order]=1&metadata[0]=zero"
        "&policy[underpay_tolerance_bps]=50&policy[late]=hold&description=Two+lamps%21"
    )

    answer = await client.post(
        "/v1/payment_intents", content=form, headers={"content-type": "application/x-www-form-urlencoded"}
    )

    made = answer.json()
    assert answer.status_code == 200, answer.text
    assert made["metadata"] == {"order": "1", "0": "zero"}
    assert (made["policy"]["underpay_tolerance_bps"], made["policy"]["late"]) == (50, "hold")
    assert (made["description"], len(made["accepted"])) == ("Two lamps!", 1)


async def test_metadata_merges_and_an_empty_string_removes(client: httpx.AsyncClient) -> None:
    made = await create(client, description="old", metadata={"a": "1", "b": "2"})

    path = f"/v1/payment_intents/{made['id']}"
    changed = (await client.post(path, json={"description": "", "metadata": {"a": "", "c": "3"}})).json()

    assert changed["metadata"] == {"b": "2", "c": "3"}
    assert changed["description"] is None
    assert changed["version"] > made["version"]


async def test_a_canceled_intent_says_why_and_cannot_be_canceled_again(client: httpx.AsyncClient) -> None:
    path = f"/v1/payment_intents/{(await create(client))['id']}/cancel"

    canceled = (await client.post(path, json={"cancellation_reason": "duplicate"})).json()
    again = await client.post(path)

    assert (canceled["status"], canceled["cancellation_reason"]) == ("canceled", "duplicate")
    assert canceled["next_action"] is None
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "payment_intent_unexpected_state"
    assert again.json()["error"]["type"] == "conflict_error"


async def test_what_arrived_is_listed_and_can_be_expanded(client: httpx.AsyncClient, shop: Shop) -> None:
    intent = await create(client, accepted=[{"network": "local"}])
    deposit = await shop.arrive(intent, 24_000_000)

    path = f"/v1/payment_intents/{intent['id']}"
    plain = (await client.get(path)).json()
    expanded = (await client.get(path, params={"expand[]": "latest_deposit"})).json()
    listed = (await client.get("/v1/payment_intents", params={"expand[]": "data.latest_deposit"})).json()
    theirs = (await client.get(f"{path}/deposits")).json()
    alone = (await client.get(f"/v1/deposits/{deposit}")).json()
    filtered = (await client.get("/v1/deposits", params={"payment_intent": intent["id"]})).json()

    unproven = await client.get(f"/v1/deposits/{deposit}/evidence")

    assert (unproven.status_code, alone["evidence"]) == (404, None)
    assert "no evidence yet" in unproven.json()["error"]["message"]
    assert plain["latest_deposit"] == deposit
    assert expanded["latest_deposit"] == listed["data"][0]["latest_deposit"] == alone
    assert [each["id"] for each in theirs["data"]] == [each["id"] for each in filtered["data"]] == [deposit]
    assert (plain["amount_received"], plain["amount_remaining"]) == ("24.000000", "1.000000")
    shown = plain["next_action"]["display_deposit_details"]["deposit_addresses"]["eip155:31337"]
    assert shown["supported_tokens"][0]["amount_atomic"] == "1000000"


async def test_lists_page_in_both_directions_without_gap_or_repeat(
    client: httpx.AsyncClient, shop: Shop
) -> None:
    made = []
    for _ in range(5):
        made.append((await create(client))["id"])
        shop.clock.advance(1)
    newest_first = made[::-1]

    async def page(**params: Any) -> dict[str, Any]:
        found: dict[str, Any] = (await client.get("/v1/payment_intents", params={"limit": 2} | params)).json()
        return found

    first = await page()
    second = await page(starting_after=first["data"][-1]["id"])
    third = await page(starting_after=second["data"][-1]["id"])
    back = await page(ending_before=third["data"][0]["id"])

    walked = [each["id"] for part in (first, second, third) for each in part["data"]]
    assert walked == newest_first
    assert [first["has_more"], second["has_more"], third["has_more"]] == [True, True, False]
    assert [each["id"] for each in back["data"]] == newest_first[2:4]
    assert back["has_more"] is True
    assert first["url"] == "/v1/payment_intents"


FILTERS: dict[str, list[int]] = {
    "created[gte]={1}": [2, 1],
    "created[gt]={1}": [2],
    "created[lt]={1}": [0],
    "created={1}": [1],
    "status=canceled": [1],
    "client_reference_id=r2": [2],
    "currency=eurc": [],
}


async def test_filters_narrow_a_list_exactly(client: httpx.AsyncClient, shop: Shop) -> None:
    made = []
    for place in range(3):
        made.append(await create(client, client_reference_id=f"r{place}"))
        shop.clock.advance(10)
    await client.post(f"/v1/payment_intents/{made[1]['id']}/cancel")

    times = [each["created"] for each in made]
    for query, expected in FILTERS.items():
        with case(query):
            found = await client.get("/v1/payment_intents?" + query.format(*times))
            assert [each["id"] for each in found.json()["data"]] == [made[place]["id"] for place in expected]
