"""Balance, tokens, networks and events, as the books and the chain say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx

from bascule.domain.chain import checksum
from bascule.entrypoints.metrics import Meters
from tests.support.api import LOCAL, VAULT, Shop


async def test_tokens_and_networks_are_those_of_the_keys_mode(shop: Shop, client: httpx.AsyncClient) -> None:
    test_networks = (await client.get("/v1/networks")).json()["data"]
    test_tokens = (await client.get("/v1/tokens")).json()["data"]
    async with shop.client(shop.live_secret) as live:
        live_tokens = (await live.get("/v1/tokens")).json()["data"]

    assert [each["id"] for each in test_networks] == ["eip155:31337", "eip155:31338"]
    assert [each["confirmations_required"] for each in test_networks] == [4, None]
    assert {each["id"] for each in test_tokens} == {shop.tokens["local"].id, shop.tokens["second"].id}
    assert [each["id"] for each in live_tokens] == [shop.tokens["base"].id]


async def test_tokens_and_networks_are_paged_like_every_list(shop: Shop, client: httpx.AsyncClient) -> None:
    async def ids(query: str) -> tuple[list[str], bool]:
        page = (await client.get(f"/v1/{query}")).json()
        return [each["id"] for each in page["data"]], page["has_more"]

    first, second = "eip155:31337", "eip155:31338"
    assert await ids("networks?limit=1") == ([first], True)
    assert await ids(f"networks?limit=1&starting_after={first}") == ([second], False)
    assert await ids(f"networks?ending_before={second}") == ([first], False)
    assert await ids("tokens?network=second&currency=usdc") == ([shop.tokens["second"].id], False)
    assert await ids("tokens?currency=eurc") == ([], False)
    assert (await client.get("/v1/tokens?starting_after=tok_none")).status_code == 404
    assert (await client.get("/v1/tokens?network=mars")).json()["error"]["code"] == "network_unknown"
    both = await client.get(f"/v1/networks?starting_after={first}&ending_before={second}")
    assert both.json()["error"]["param"] == "ending_before"


async def test_money_that_is_not_final_is_pending_and_nothing_else(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    body = {"amount": "25.00", "currency": "usdc", "accepted": [{"network": "local"}]}
    intent = (await client.post("/v1/payment_intents", json=body)).json()
    await shop.arrive(intent, 24_999_999)

    balance = (await client.get("/v1/balance")).json()

    def amounts(kind: str) -> list[str]:
        return [part["amount_atomic"] for part in balance[kind]]

    assert amounts("pending") == ["24999999", "0"]
    assert amounts("available") == amounts("held") == amounts("unapplied") == ["0", "0"]
    assert balance["pending"][0]["amount"] == "24.999999"


async def test_events_are_listed_newest_first_or_by_number(shop: Shop, client: httpx.AsyncClient) -> None:
    made = []
    for _ in range(3):
        answer = await client.post("/v1/payment_intents", json={"amount": "1.00", "currency": "usdc"})
        made.append(answer.json()["id"])
        shop.clock.advance(1)
    await client.post(f"/v1/payment_intents/{made[0]}/cancel")
    await shop.sequencer().run_once()

    async def numbers(query: str) -> list[int]:
        page: Any = (await client.get(f"/v1/events?{query}")).json()
        return [event["account_sequence"] for event in page["data"]]

    assert await numbers("") == [4, 3, 2, 1]
    assert await numbers("after_sequence=1&limit=2") == [2, 3]
    assert await numbers("types[]=payment_intent.canceled&types[]=payout.paid") == [4]
    assert await numbers("types[0]=payment_intent.canceled") == [4]
    assert await numbers(f"object={made[0]}") == [4, 1]
    [event] = (await client.get("/v1/events?type=payment_intent.canceled")).json()["data"]
    assert event["data"]["previous_attributes"] == {"status": "requires_action"}
    assert event["request"]["id"].startswith("req_")
    assert (await client.get(f"/v1/events/{event['id']}")).json() == event


async def test_float_of_a_vault_is_told_to_the_operator_and_to_nobody_else(
    shop: Shop, client: httpx.AsyncClient, treasury: str
) -> None:
    wallet, vault = bytes([7]) * 20, VAULT
    await shop.run("INSERT INTO wallets (chain_id, address, name) VALUES (%s, %s, 'vault-0')", LOCAL, wallet)
    await shop.run(
        "INSERT INTO lanes (chain_id, lane, name, vault, wallet) VALUES (%s, 0, 'vault-0', %s, %s)",
        *(LOCAL, vault, wallet),
    )
    async with shop.client(treasury) as operator:
        [float_] = (await operator.get("/v1/floats")).json()["data"]
        other = (await operator.get("/v1/floats?network=second")).json()["data"]
    refused = await client.get("/v1/floats")

    assert (float_["network"], float_["vault"]) == ("eip155:31337", checksum(VAULT))
    assert float_["held"] == float_["available"] == {"amount": "1000.000000", "amount_atomic": "1000000000"}
    assert (float_["low"], float_["runway_seconds"], float_["limit"]) == (False, None, None)
    assert float_["top_up"]["status"] == "none"
    assert other == []
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "operator_only")


async def test_requests_are_measured_by_route_and_answer(shop: Shop) -> None:
    meters = Meters()
    shop.deps = replace(shop.deps, answered=meters.answered)
    async with shop.client() as client:
        for query in ("", "?starting_after=tok_none", "?network=mars"):
            await client.get(f"/v1/tokens{query}")

    counted = (
        'bascule_http_server_request_duration_seconds_count{method="GET",route="/v1/tokens",status="%s"} 1.0'
    )
    for status in (200, 404, 400):
        assert counted % status in meters.text().decode()
