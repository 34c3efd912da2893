"""Payment intents as services: addresses, the end by time, and what is told with it."""

from __future__ import annotations

from typing import Any

import pytest

from bascule.domain.errors import Conflict, Halted, NotFound, Rejected
from bascule.domain.payment_intent import IntentState
from bascule.services import intents
from bascule.services.intents import IntentRequest
from bascule.storage import payment_intents
from tests.support.api import Shop

EVENTS = "SELECT type, previous, object_version FROM outbox ORDER BY id"


async def made(shop: Shop, **params: Any) -> dict[str, Any]:
    async with shop.api.transaction() as conn:
        return await shop.deps.intents.create(
            conn, account_id=shop.merchant, livemode=False,
            request=IntentRequest(**({"amount": "25.00", "currency": "usdc"} | params)),
        )  # fmt: skip


async def told(shop: Shop) -> list[str]:
    async with shop.owner.read() as conn:
        return [str(row[0]) for row in await (await conn.execute(EVENTS)).fetchall()]


async def test_an_unpaid_intent_is_closed_under_the_workers_login(shop: Shop) -> None:
    intent = await made(shop)

    async with shop.worker.transaction() as conn:
        closed = await shop.deps.intents.close(conn, intent["id"])

    assert (closed["status"], closed["cancellation_reason"]) == ("canceled", "expired")
    assert closed["canceled_at"] == int(shop.clock.now().timestamp())
    assert await told(shop) == ["payment_intent.created", "payment_intent.canceled"]
    async with shop.worker.transaction() as conn:
        with pytest.raises(Conflict):
            await shop.deps.intents.close(conn, intent["id"])


async def test_an_intent_is_marked_expired_once_and_told_once(shop: Shop) -> None:
    intent = await made(shop)

    for expected in (True, False):
        async with shop.worker.transaction() as conn:
            assert await shop.deps.intents.expire(conn, intent["id"]) is expected

    async with shop.api.read() as conn:
        shown = await intents.describe(conn, intent["id"])
    assert (shown["status"], shown["flags"]) == ("requires_action", ["expired"])
    assert await told(shop) == ["payment_intent.created", "payment_intent.expired"]


async def test_a_refused_request_binds_no_address_and_tells_nothing(shop: Shop) -> None:
    with pytest.raises(Rejected, match="currency"):
        await made(shop, currency="eurc")

    assert await told(shop) == []
    assert (await shop.rows())["deposit_addresses"] == 0


async def test_every_network_of_an_intent_shares_one_number(shop: Shop) -> None:
    for _ in range(3):
        await made(shop)

    async with shop.owner.read() as conn:
        rows = await (
            await conn.execute(
                "SELECT n, count(*), count(DISTINCT chain_id) FROM deposit_addresses GROUP BY n"
            )
        ).fetchall()
    assert [(int(row[1]), int(row[2])) for row in rows] == [(3, 3)] * 3, "two accepted, one live"


async def test_a_state_moves_only_from_the_state_that_was_named(shop: Shop) -> None:
    intent = await made(shop)

    async with shop.api.transaction() as conn:
        with pytest.raises(Halted, match="expected to be processing"):
            await payment_intents.advance(
                conn, intent["id"], IntentState.PROCESSING, IntentState.SUCCEEDED, at=shop.clock.now()
            )


async def test_an_intent_of_nobody_or_of_another_is_not_found(shop: Shop) -> None:
    intent = await made(shop)

    async with shop.api.read() as conn:
        with pytest.raises(NotFound):
            await intents.describe(conn, "pi_nothing")
        for account, livemode in ((shop.rival, False), (shop.merchant, True)):
            with pytest.raises(NotFound):
                await intents.own(conn, intent["id"], account, livemode)
