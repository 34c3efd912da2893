"""A browser reads one payment by a publishable key and the payment's client secret, and nothing else."""

import httpx

from bascule.entrypoints.api.app import OPERATIONS
from tests.support.api import Shop
from tests.support.cases import case

PATH = "/v1/payment_intents"
BODY = {"amount": "25.00", "currency": "usdc", "accepted": [{"network": "local"}]}
HIDDEN = {"policy", "metadata", "client_reference_id", "client_secret", "evidence", "latest_deposit"}


async def test_client_secret_opens_its_own_intent_to_a_browser_and_no_more(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    intent = (await client.post(PATH, json=BODY | {"metadata": {"margin": "40 %"}})).json()
    other = (await client.post(PATH, json=BODY)).json()
    public, rivals = await shop.key(shop.merchant, kind="pk"), await shop.key(shop.rival, kind="pk")
    path, right = f"{PATH}/{intent['id']}/public", {"client_secret": intent["client_secret"]}
    async with shop.client(public.secret) as page, shop.client(rivals.secret) as rival:
        seen = await page.get(path, params=right)
        refused = [
            (await page.get(path), 404),
            (await page.get(path, params={"client_secret": other["client_secret"]}), 404),
            (await page.get(path, params={"client_secret": intent["client_secret"][:-1] + "é"}), 404),
            (await page.get(f"{PATH}/{other['id']}/public", params=right), 404),
            (await rival.get(path, params=right), 404),
            (await page.get(f"{PATH}/{intent['id']}", params=right), 403),
            (await page.get(PATH), 403),
            (await page.post(f"{PATH}/{intent['id']}/cancel"), 403),
        ]

    assert seen.status_code == 200
    assert seen.json() == {name: intent[name] for name in intent.keys() - HIDDEN if name in seen.json()}
    assert not HIDDEN & seen.json().keys()
    assert seen.json()["next_action"] == intent["next_action"]
    assert [answer.status_code for answer, _ in refused] == [status for _, status in refused]


async def test_pages_of_other_origins_may_ask_what_a_publishable_key_may_and_nothing_else(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    allowed = {operation.path for operation in OPERATIONS if operation.in_browsers}
    for operation in OPERATIONS:
        with case(operation.name):
            path = operation.path.replace("{id}", "pi_none").replace("{delivery}", "dlv_none")
            before = await client.options(path, headers={"origin": "https://shop.example"})
            asked = operation.path in allowed
            assert before.status_code == (204 if asked else 405)
            assert before.headers.get("access-control-allow-origin") == ("*" if asked else None)
    async with shop.client("") as nobody:
        unknown = await nobody.get("/v1/tokens")
    answers = await client.get("/v1/tokens"), await client.get("/v1/balance")

    assert allowed == {"/v1/tokens", "/v1/networks", f"{PATH}/{{id}}/public"}
    assert (unknown.status_code, unknown.headers["access-control-allow-origin"]) == (401, "*")
    assert [answer.headers.get("access-control-allow-origin") for answer in answers] == ["*", None]
    assert "access-control-allow-credentials" not in answers[0].headers
