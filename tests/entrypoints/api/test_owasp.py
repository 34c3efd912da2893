"""What OWASP's API top ten warns of, asked of every operation there is; a new one is asked by itself.

What belongs to others is in `test_ownership.py`.
"""

from __future__ import annotations

import io
import json
import logging
from typing import Any

import httpx
import pytest
import structlog

from bascule.entrypoints import logs
from bascule.entrypoints.api import payment_publishing
from bascule.entrypoints.api.app import OPERATIONS
from bascule.services import api_keys
from bascule.services.failpoints import Failpoints
from tests.support.api import ENTROPY, Shop, new_id
from tests.support.cases import case

BODY = {"amount": "1.00", "currency": "usdc", "accepted": [{"network": "local"}]}
# What only a server may say of an object; each is a parameter of nothing.
SERVERS_OWN = {
    "id", "account_id", "livemode", "status", "created", "amount_received", "client_secret", "requested_by",
}  # fmt: skip


async def test_nothing_the_server_says_can_be_said_for_it(shop: Shop, client: httpx.AsyncClient) -> None:
    ids = {tag: new_id("pi", shop.clock, ENTROPY) for tag in {operation.tag for operation in OPERATIONS}}
    before = await shop.rows()
    for operation in OPERATIONS:
        if operation.method != "POST":
            continue
        for name in sorted(SERVERS_OWN - operation.params.model_fields.keys()):
            with case(f"{operation.name} {name}"):
                url = operation.path.format(id=ids[operation.tag], delivery=ids[operation.tag])
                body: dict[str, Any] = dict(operation.example) | {name: "1"}
                error = (await client.post(url, json=body, headers={"idempotency-key": "k"})).json()["error"]
                assert (error["code"], error["param"]) == ("parameter_unknown", name)
    assert await shop.rows() == before


async def test_no_list_gives_more_than_a_page(client: httpx.AsyncClient) -> None:
    for operation in OPERATIONS:
        if "limit" in operation.params.model_fields and operation.reads and "{" not in operation.path:
            with case(operation.name):
                for limit in ("0", "101", "-1", "1e3", "99999999999999999999"):
                    query = {"query": "x:1"} if "query" in operation.params.model_fields else {}
                    answer = await client.get(operation.path, params=query | {"limit": limit})
                    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "limit")


async def test_a_body_nested_very_deep_is_refused_by_every_operation_that_takes_one(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    before = await shop.rows()
    for operation in OPERATIONS:
        if operation.method != "POST":
            continue
        path = operation.path.format(id=new_id("pi", shop.clock, ENTROPY), delivery="dlv_" + "0" * 26)
        headers = {"content-type": "application/json", "idempotency-key": "k"}
        name = next(iter(operation.params.model_fields), "surprise")
        body = json.dumps(dict(operation.example) | {name: "DEEP"}).replace('"DEEP"', "[" * 900 + "]" * 900)
        with case(operation.name):
            answer = await client.post(path, content=body, headers=headers)

            assert answer.status_code == 400, answer.text
            assert answer.json()["error"]["param"] is not None or "deep" in answer.json()["error"]["message"]
    assert await shop.rows() == before


async def test_keys_are_compared_in_a_time_that_says_nothing(
    shop: Shop, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    true = api_keys.hmac.compare_digest

    def watched(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return true(a, b)

    monkeypatch.setattr(api_keys.hmac, "compare_digest", watched)
    wrong = shop.secret[:-1] + ("b" if shop.secret[-1] == "a" else "a")
    async with shop.client(wrong) as other:
        refused = await other.get("/v1/balance")

    assert refused.json()["error"]["code"] == "api_key_invalid"
    assert [(len(a), len(b)) for a, b in compared] == [(32, 32)]


async def test_client_secrets_are_compared_in_a_time_that_says_nothing(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    true = payment_publishing.compare_digest

    def watched(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return true(a, b)

    monkeypatch.setattr(payment_publishing, "compare_digest", watched)
    intent = (await client.post("/v1/payment_intents", json=BODY)).json()
    path, secret = f"/v1/payment_intents/{intent['id']}/public", intent["client_secret"]
    wrong = [secret[:-1], secret + "a", "x", secret[:-1] + ("b" if secret[-1] == "a" else "a")]
    answers = [await client.get(path, params={"client_secret": each}) for each in (*wrong, secret)]

    assert [answer.status_code for answer in answers] == [404] * 4 + [200]
    assert compared == [(secret.encode(), each.encode()) for each in (*wrong, secret)]


async def all_requests(shop: Shop) -> str:
    """Every line that requests left, in one text."""
    await shop.deps.requests.write()
    async with shop.owner.read() as conn:
        found = await (await conn.execute("SELECT r::text FROM requests AS r")).fetchall()
    return "\n".join(text for (text,) in found)


async def test_no_secret_is_ever_in_a_log(shop: Shop, client: httpx.AsyncClient) -> None:
    class Failing(Failpoints):
        def hit(self, name: str) -> None:
            if name == "api.before_commit":
                raise RuntimeError("ours")

    kept, handlers, level = structlog.get_config(), logging.getLogger().handlers[:], logging.getLogger().level
    written = io.StringIO()
    try:
        logs.configure("api", "debug")
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(written))
        for handler in logging.getLogger().handlers:
            assert isinstance(handler, logging.StreamHandler)
            handler.setStream(written)
        made_key = (await client.post("/v1/api_keys", json={"scopes": ["balance:read"]})).json()
        hook = (await client.post("/v1/webhook_endpoints", json={"url": "https://m.example/"})).json()
        intent = (await client.post("/v1/payment_intents", json=BODY)).json()
        async with shop.client(failpoints=Failing({"api.before_commit": 1})) as failing:
            failed = await failing.post("/v1/api_keys", json={"scopes": ["balance:read"]})
        async with shop.client("sk_test_" + "z" * 48) as stranger:
            await stranger.get("/v1/balance")
    finally:
        structlog.configure(**kept)
        structlog.contextvars.clear_contextvars()
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
    path = f"/v1/payment_intents/{intent['id']}"
    await client.get(f"{path}/public", params={"client_secret": intent["client_secret"]})
    for misplaced in (intent["client_secret"], shop.secret, hook["secret"]):
        await client.get(f"/v1/payment_intents/{misplaced}")
    text = written.getvalue() + await all_requests(shop)
    secrets = {
        "key": shop.secret[20:], "new key": made_key["secret"][20:], "webhook": hook["secret"][8:],
        "intent": intent["client_secret"].partition("_secret_")[2], "unknown key": "z" * 20,
        "pepper": shop.deps.pepper.decode(), "seed": shop.deps.deposit_seed.decode(),
    }  # fmt: skip

    assert failed.status_code == 500
    assert f"{path}/public" in text
    assert "RuntimeError: ours" in text
    assert [name for name, secret in secrets.items() if secret in text] == []
