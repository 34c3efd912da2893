"""What pays is one thing for ever, whatever becomes of the key it was asked with."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from bascule.services.forgetter import Forgetter
from tests.support.api import Shop

PAYEE = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
MONEY = {"amount": "100.00", "currency": "usdc", "network": "eip155:31337", "to": PAYEE}


async def ask(client: httpx.AsyncClient, path: str, body: dict[str, Any], key: str) -> httpx.Response:
    return await client.post(path, json=body, headers={"idempotency-key": key})


async def forgotten(shop: Shop) -> None:
    """Every key of before is older than answers are kept."""
    await shop.run("UPDATE idempotency_keys SET created_at = '2001-01-01Z'")
    await Forgetter(shop.worker, shop.clock).run_once()
    assert (await shop.rows())["idempotency_keys"] == 0


@pytest.fixture
async def refundable(shop: Shop, client: httpx.AsyncClient) -> str:
    """An intent of which 5.00 are final."""
    intent = await client.post("/v1/payment_intents", json={"amount": "25.00", "currency": "usdc"})
    deposit = await shop.arrive(intent.json(), 5_000_000)
    await shop.run(
        "UPDATE deposits SET state = 'finalized', finalized_at = created_at WHERE id = %s", deposit
    )
    return str(intent.json()["id"])


async def test_reference_of_a_refund_belongs_to_it_for_ever(
    shop: Shop, client: httpx.AsyncClient, refundable: str
) -> None:
    body = {"payment_intent": refundable, "amount": "2.00", "client_reference_id": "return-7"}
    made = (await ask(client, "/v1/refunds", body, "a")).json()
    await forgotten(shop)

    same = await ask(client, "/v1/refunds", body, "b")
    others = [
        await ask(client, "/v1/refunds", body | changed, f"c{n}")
        for n, changed in enumerate(({"amount": "1.00"}, {"to": PAYEE}))
    ]

    assert (same.status_code, same.json()["id"]) == (200, made["id"])
    assert "idempotent-replayed" not in same.headers
    for other in others:
        error = other.json()["error"]
        assert (other.status_code, error["code"], error["param"]) == (
            409, "refund_identity_used", "client_reference_id",
        )  # fmt: skip
        assert made["id"] in error["message"]
    assert len((await client.get("/v1/refunds")).json()["data"]) == 1


async def test_forgotten_key_asked_again_refunds_nothing_twice(
    shop: Shop, client: httpx.AsyncClient, refundable: str
) -> None:
    body = {"payment_intent": refundable, "amount": "2.00"}
    made = (await ask(client, "/v1/refunds", body, "a")).json()
    await forgotten(shop)

    again = await ask(client, "/v1/refunds", body, "a")
    other = await ask(client, "/v1/refunds", body | {"amount": "1.00"}, "a2")
    await forgotten(shop)
    changed = await ask(client, "/v1/refunds", body | {"amount": "1.50"}, "a")

    assert (again.status_code, again.json()["id"]) == (200, made["id"])
    assert other.json()["id"] != made["id"], "another key is another refund"
    assert (changed.status_code, changed.json()["error"]["code"]) == (409, "refund_identity_used")
    assert changed.json()["error"]["param"] is None
    assert len((await client.get("/v1/refunds")).json()["data"]) == 2


async def test_forgotten_key_asked_again_pays_nothing_twice(shop: Shop, treasury: str) -> None:
    async with shop.client(treasury) as client:
        made = (await ask(client, "/v1/payouts", MONEY, "a")).json()
        await forgotten(shop)
        again = await ask(client, "/v1/payouts", MONEY, "a")
        assert (again.status_code, again.json()["id"]) == (200, made["id"])
        assert "idempotent-replayed" not in again.headers
        await forgotten(shop)
        changed = await ask(client, "/v1/payouts", MONEY | {"amount": "99.00"}, "a")

    assert (changed.status_code, changed.json()["error"]["code"]) == (409, "payout_identity_used")
    assert (await shop.rows())["payouts"] == 1


async def test_forgotten_key_asked_again_makes_no_second_batch(shop: Shop, treasury: str) -> None:
    path = "/v1/payout_batches"
    async with shop.client(treasury) as client:
        made = (await ask(client, path, {"items": [MONEY]}, "a")).json()
        await forgotten(shop)
        same = await ask(client, path, {"items": [MONEY]}, "a")
        changed = await ask(client, path, {"items": [MONEY | {"amount": "99.00"}]}, "a")

    for answer in (same, changed):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (409, "payout_batch_identity_used")
        assert made["id"] in error["message"], "which is to be read"
    rows = await shop.rows()
    assert (rows["payouts"], rows["payout_batches"]) == (1, 1)
