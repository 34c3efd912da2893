"""What OWASP's API top ten warns of, asked of every operation there is; a new one is asked by itself."""

from __future__ import annotations

import ast
import io
import logging
from typing import Any

import httpx
import pytest
import structlog

from bascule.entrypoints import logs
from bascule.entrypoints.api.app import OPERATIONS
from bascule.entrypoints.api.openapi import document
from bascule.services import api_keys
from bascule.services.failpoints import Failpoints
from tests.entrypoints.api.test_bad_input import OPERATORS
from tests.support.api import ENTROPY, Shop, new_id
from tests.support.cases import case
from tests.support.source import ROOT

BODY = {"amount": "1.00", "currency": "usdc", "accepted": [{"network": "local"}]}
# Resources whose objects take a chain, treasury or worker to make; each with the test that shows them closed.
API, STORIES = "tests/entrypoints/api", "tests/scenarios"
EVERYWHERE = "tests/slow/test_triggers.py::test_nothing_that_any_trigger_made_exists_for_another_account"
ELSEWHERE = {
    "payouts": f"{API}/test_payouts.py::test_another_accounts_payout_does_not_exist",
    "payout_batches": f"{API}/test_payout_batches.py::test_another_accounts_batch_does_not_exist",
    "destinations": f"{API}/test_destinations.py::test_another_accounts_book_is_closed",
    "balance_transactions":
        f"{API}/test_balance_transactions.py::test_another_accounts_balance_transactions_do_not_exist",
    "reporting": "tests/services/test_reporter.py::test_anothers_report_and_file_do_not_exist",
    "files": "tests/services/test_reporter.py::test_anothers_report_and_file_do_not_exist",
    "quotes": f"{API}/test_quotes.py::test_an_intent_has_an_amount_or_a_quote_of_its_own_account",
    "authorizations": f"{STORIES}/test_x402.py::test_signature_becomes_a_deposit_on_the_books_"
                      "and_the_same_payload_is_the_same_payment",
    "mandates": EVERYWHERE, "refunds": EVERYWHERE, "settlements": EVERYWHERE, "test_helpers": EVERYWHERE,
}  # fmt: skip
# What only a server may say of an object; each is a parameter of nothing.
SERVERS_OWN = {
    "id", "account_id", "livemode", "status", "created", "amount_received", "client_secret", "requested_by",
}  # fmt: skip


async def made(shop: Shop, client: httpx.AsyncClient) -> dict[str, str]:
    """One object of the merchant in test mode for each resource that can be made here."""
    intent = (await client.post("/v1/payment_intents", json=BODY)).json()
    hook = (await client.post("/v1/webhook_endpoints", json={"url": "https://m.example/"})).json()
    await client.post(f"/v1/webhook_endpoints/{hook['id']}/ping")
    deposit = await shop.arrive(intent, 5)
    await shop.sequencer().run_once()
    delivery = (await client.get(f"/v1/webhook_endpoints/{hook['id']}/deliveries")).json()["data"][0]
    key = (await client.post("/v1/api_keys", json={"scopes": ["balance:read"]})).json()
    member = (await client.post("/v1/members", json={"email": "a@b.c", "roles": ["owner"]})).json()
    line = {"description": "a", "quantity": 1, "unit_amount": "5.00"}
    invoice = (await client.post("/v1/invoices", json={"currency": "usdc", "lines": [line]})).json()
    await shop.deps.requests.write()
    return {
        "payment_intents": intent["id"],
        "checkout": (await client.post("/v1/checkout/sessions", json=BODY)).json()["id"],
        "webhook_endpoints": hook["id"],
        "delivery": delivery["id"],
        "deposits": deposit,
        "events": (await client.get("/v1/events")).json()["data"][0]["id"],
        "api_keys": key["id"],
        "members": member["id"],
        "accounts": shop.merchant,
        "invoices": invoice["id"],
        "requests": (await client.get("/v1/requests")).json()["data"][0]["id"],
    }


def test_every_resource_that_is_shown_elsewhere_is_shown_by_a_test_that_exists() -> None:
    for tag, pointer in ELSEWHERE.items():
        path, _, name = pointer.partition("::")
        defined = [
            each.name
            for each in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8")))
            if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        assert name in defined, f"{tag}: {path} has no {name}"
    assert ELSEWHERE.keys() <= {operation.tag for operation in OPERATIONS}, "a resource that is gone"


async def test_nobody_reaches_anothers_object_by_any_operation(shop: Shop, client: httpx.AsyncClient) -> None:
    ids = await made(shop, client)
    paths = document(OPERATIONS, "http://bridge.test")["paths"]
    by_id = [(path, method.upper()) for path, ways in paths.items() if "{id}" in path for method in ways]
    names = {(op.path, op.method): op for op in OPERATIONS}
    before, asked = await shop.rows(), 0
    live_account = {"accounts"}  # is the same in both modes
    async with shop.client(shop.rival_secret) as rival, shop.client(shop.live_secret) as live:
        for path, method in by_id:
            operation = names[path, method]
            if operation.name in OPERATORS or operation.tag in ELSEWHERE:
                continue
            assert operation.tag in ids, (
                f"{operation.name}: make one of its objects here, or say where it is shown"
            )
            url = path.format(id=ids[operation.tag], delivery=ids["delivery"])
            for who, other in (("rival", rival), ("live", live)):
                if who == "live" and operation.tag in live_account:
                    continue
                with case(f"{who} {operation.name}"):
                    body = dict(operation.example) or None
                    answer = await other.request(
                        method, url, json=None if operation.reads else body, headers={"idempotency-key": "k"}
                    )
                    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_missing")
                    asked += 1
    assert asked > 40
    assert await shop.rows() == before


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
