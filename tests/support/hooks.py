"""What a merchant does with webhook endpoints: makes them, lets things happen, looks at what was sent."""

from __future__ import annotations

from typing import Any

from tests.support.api import Shop


async def endpoint(shop: Shop, url: str, **params: Any) -> dict[str, Any]:
    async with shop.client() as client:
        answer = await client.post("/v1/webhook_endpoints", json={"url": url} | params)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def happen(shop: Shop) -> dict[str, Any]:
    """Something happens, and gets its number."""
    async with shop.client() as client:
        answer = await client.post("/v1/payment_intents", json={"amount": "25.00", "currency": "usdc"})
    await shop.sequencer().run_once()
    made: dict[str, Any] = answer.json()
    return made


async def deliveries(shop: Shop, endpoint_id: str) -> list[dict[str, Any]]:
    async with shop.client() as client:
        answer = await client.get(f"/v1/webhook_endpoints/{endpoint_id}/deliveries")
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def shown(shop: Shop, endpoint_id: str) -> dict[str, Any]:
    async with shop.client() as client:
        found: dict[str, Any] = (await client.get(f"/v1/webhook_endpoints/{endpoint_id}")).json()
    return found


async def status_of(shop: Shop, endpoint_id: str) -> str:
    status: str = (await shown(shop, endpoint_id))["status"]
    return status
