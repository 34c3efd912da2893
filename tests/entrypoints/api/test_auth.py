"""Who may do what: keys, scopes, modes, and other accounts' things."""

from base64 import b64encode
from datetime import timedelta

import httpx
import pytest

from bascule.entrypoints.api.app import OPERATIONS
from bascule.storage import api_keys
from tests.entrypoints.api.test_bad_input import KEY, path_of
from tests.support.api import Shop
from tests.support.cases import case

NO_GOOD_KEY: dict[str | None, str] = {
    None: "api_key_missing",
    "": "api_key_missing",
    "Bearer": "api_key_missing",
    "Digest x": "api_key_missing",
    "Bearer sk_test_" + "a" * 48: "api_key_invalid",
    "Bearer " + "ä" * 30: "api_key_invalid",
    "Basic not-base64": "api_key_invalid",
    "Basic " + b64encode(b"sk_test_wrong:").decode(): "api_key_invalid",
}


async def test_a_request_without_a_good_key_is_401(shop: Shop) -> None:
    async with shop.client("") as client:
        for header, code in NO_GOOD_KEY.items():
            with case(header):
                headers = {} if header is None else {"authorization": header.encode("utf-8")}
                answer = await client.get("/v1/balance", headers=headers)

                assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
                assert answer.json()["error"]["type"] == "authentication_error"
                assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_the_key_works_as_the_user_of_basic_auth(shop: Shop) -> None:
    async with shop.client("") as client:
        assert (await client.get("/v1/balance", auth=(shop.secret, ""))).status_code == 200


async def test_one_wrong_letter_makes_another_key(shop: Shop) -> None:
    last = "b" if shop.secret[-1] == "a" else "a"
    async with shop.client(shop.secret[:-1] + last) as client:
        assert (await client.get("/v1/balance")).status_code == 401


async def test_a_revoked_and_an_expired_key_say_so(shop: Shop) -> None:
    revoked = await shop.key(shop.merchant)
    expiring = await shop.key(shop.merchant, expires_at=shop.clock.now() + timedelta(seconds=5))
    async with shop.api.transaction() as conn:
        assert await api_keys.revoke(conn, shop.merchant, revoked.id, shop.clock.now())

    async with shop.client(expiring.secret) as client:
        assert (await client.get("/v1/balance")).status_code == 200
        shop.clock.advance(6)
        assert (await client.get("/v1/balance")).json()["error"]["code"] == "api_key_expired"
    async with shop.client(revoked.secret) as client:
        assert (await client.get("/v1/balance")).json()["error"]["code"] == "api_key_revoked"


async def test_no_secret_of_a_key_is_stored(shop: Shop) -> None:
    async with shop.owner.read() as conn:
        rows = await (await conn.execute("SELECT k::text FROM api_keys k")).fetchall()

    assert len(rows) == 3
    assert not [row for row in rows if shop.secret[20:] in str(row)]


async def test_every_operation_names_the_scope_a_key_lacks(shop: Shop) -> None:
    key = await shop.key(shop.merchant, kind="rk", scopes=["something:else"])
    before = await shop.rows()

    async with shop.client(key.secret) as client:
        for operation in OPERATIONS:
            answer = await client.request(operation.method, path_of(operation, shop), headers=KEY)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "scope_missing")
            assert operation.scope in answer.json()["error"]["message"]
    assert await shop.rows() == before


async def test_a_publishable_key_reads_and_writes_nothing(shop: Shop) -> None:
    key = await shop.key(shop.merchant, kind="pk")

    async with shop.client(key.secret) as client:
        assert (await client.get("/v1/balance")).status_code == 403
        assert (await client.post("/v1/payment_intents", json={})).status_code == 403


async def test_writing_includes_reading_and_not_the_other_way(shop: Shop) -> None:
    writer = await shop.key(shop.merchant, kind="rk", scopes=["payment_intents:write"])
    reader = await shop.key(shop.merchant, kind="rk", scopes=["payment_intents:read"])
    body = {"amount": "1.00", "currency": "usdc"}

    async with shop.client(writer.secret) as client:
        assert (await client.post("/v1/payment_intents", json=body)).status_code == 200
        assert (await client.get("/v1/payment_intents")).status_code == 200
    async with shop.client(reader.secret) as client:
        assert (await client.post("/v1/payment_intents", json=body)).status_code == 403


async def test_a_key_acts_for_its_own_account_alone(shop: Shop, client: httpx.AsyncClient) -> None:
    mine = await client.get("/v1/balance", headers={"bascule-account": shop.merchant})
    other = await client.get("/v1/balance", headers={"bascule-account": shop.rival})

    assert mine.status_code == 200
    assert (other.status_code, other.json()["error"]["code"]) == (403, "account_forbidden")


@pytest.mark.parametrize("who", ["rival_secret", "live_secret"])
async def test_nobody_else_sees_or_changes_an_accounts_things(
    shop: Shop, client: httpx.AsyncClient, who: str
) -> None:
    """The rival is another account; the live key is the same account in the other mode."""
    body = {"amount": "1.00", "currency": "usdc", "accepted": [{"network": "local"}]}
    intent = (await client.post("/v1/payment_intents", json=body)).json()
    deposit = await shop.arrive(intent, 5)
    hook = (await client.post("/v1/webhook_endpoints", json={"url": "https://m.example/"})).json()
    await client.post(f"/v1/webhook_endpoints/{hook['id']}/ping")
    await shop.sequencer().run_once()
    event = (await client.get("/v1/events")).json()["data"][0]["id"]
    delivery = (await client.get(f"/v1/webhook_endpoints/{hook['id']}/deliveries")).json()["data"][0]
    before = await shop.rows()

    paths = [
        ("GET", f"/v1/payment_intents/{intent['id']}"),
        ("POST", f"/v1/payment_intents/{intent['id']}"),
        ("POST", f"/v1/payment_intents/{intent['id']}/cancel"),
        ("GET", f"/v1/payment_intents/{intent['id']}/deposits"),
        ("GET", f"/v1/deposits/{deposit}"),
        ("GET", f"/v1/deposits/{deposit}/evidence"),
        ("GET", f"/v1/events/{event}"),
        ("GET", f"/v1/webhook_endpoints/{hook['id']}"),
        ("POST", f"/v1/webhook_endpoints/{hook['id']}"),
        ("DELETE", f"/v1/webhook_endpoints/{hook['id']}"),
        ("POST", f"/v1/webhook_endpoints/{hook['id']}/rotate_secret"),
        ("POST", f"/v1/webhook_endpoints/{hook['id']}/ping"),
        ("GET", f"/v1/webhook_endpoints/{hook['id']}/deliveries"),
        ("POST", f"/v1/webhook_endpoints/{hook['id']}/deliveries/{delivery['id']}/resend"),
        ("GET", f"/v1/payment_intents?starting_after={intent['id']}"),
    ]
    async with shop.client(getattr(shop, who)) as other:
        for method, path in paths:
            answer = await other.request(method, path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_missing"), path
        for resource in ("payment_intents", "deposits", "events", "webhook_endpoints", "payouts"):
            assert (await other.get(f"/v1/{resource}")).json()["data"] == []
        filtered = await other.get("/v1/deposits", params={"payment_intent": intent["id"]})
        assert filtered.json()["data"] == []
    assert await shop.rows() == before
