"""An intent is found by what is known of it, by its own account alone."""

import httpx

from tests.support.api import Shop
from tests.support.cases import case

PATH = "/v1/payment_intents/search"


async def test_intents_are_found_by_each_field_and_by_nobody_else(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    small = (await client.post("/v1/payment_intents", json={
        "amount": "5.00", "currency": "usdc",
        "metadata": {"order": "1", "it's": 'a "b"'}})).json()  # fmt: skip
    shop.clock.advance(10)
    large = (await client.post("/v1/payment_intents", json={
        "amount": "50.00", "currency": "usdc", "client_reference_id": "r2",
        "accepted": [{"network": "local"}]})).json()  # fmt: skip
    deposit = await shop.arrive(large, 50 * 10**6)
    tx_hash = (await client.get(f"/v1/deposits/{deposit}")).json()["tx_hash"]
    [details] = large["next_action"]["display_deposit_details"]["deposit_addresses"].values()
    finds = {
        'status:"requires_action"': [large, small],
        'status:"succeeded"': [],
        '-status:"succeeded" AND amount<50.00': [small],
        "amount>=5.00 amount<=50.00": [large, small],
        'amount:"50.00"': [large],
        f"created>{small['created']}": [large],
        'metadata["order"]:"1"': [small],
        '-metadata["order"]:"1"': [large],
        'metadata["order"]:null': [large],
        r'''metadata["it's"]:"a \"b\""''': [small],
        'client_reference_id:"r2" OR metadata["order"]:"1"': [large, small],
        f'address:"{details["address"]}"': [large],
        f'tx_hash:"{tx_hash}"': [large],
        'currency:"usdc" AND currency:"eurc"': [],
    }
    async with shop.client(shop.rival_secret) as rival, shop.client(shop.live_secret) as live:
        for query, wanted in finds.items():
            with case(query):
                found = (await client.get(PATH, params={"query": query})).json()
                assert [intent["id"] for intent in found["data"]] == [intent["id"] for intent in wanted]
                for other in (rival, live):
                    assert (await other.get(PATH, params={"query": query})).json()["data"] == []


async def test_what_was_found_comes_page_by_page(client: httpx.AsyncClient) -> None:
    for _ in range(3):
        await client.post("/v1/payment_intents", json={"amount": "5.00", "currency": "usdc"})
    seen, page = [], {"query": 'currency:"usdc"', "limit": "2"}
    while True:
        found = (await client.get(PATH, params=page)).json()
        seen += [intent["id"] for intent in found["data"]]
        if found["next_page"] is None:
            break
        page["page"] = found["next_page"]

    assert len(set(seen)) == len(seen) == 3
    lost = await client.get(PATH, params={"query": 'currency:"usdc"', "page": "pi_nobody"})
    assert (lost.status_code, lost.json()["error"]["param"]) == (404, "page")


async def test_query_that_cannot_be_read_is_refused(client: httpx.AsyncClient) -> None:
    for query in ("", "x", "amount:25", 'address:"0x1"', 'tx_hash:"zz"', "created:soon", "status:null OR 1"):
        with case(query):
            answer = await client.get(PATH, params={"query": query})
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, "query")
