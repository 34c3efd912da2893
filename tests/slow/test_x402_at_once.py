"""One payment asked for by many at once, in all its ways, is one payment."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.support.money_out import OpenAs
from tests.support.paying_x402 import till

pytestmark = pytest.mark.slow
MANY = 50
IDENTIFIER = {"payment-identifier": {"info": {"required": False, "id": "order-0000000000001"}}}


async def test_fifty_same_requests_at_once_are_one_payment_and_its_identifier_is_of_no_other(
    db_as: OpenAs, tmp_path: Path
) -> None:
    async with till(db_as, tmp_path) as shop:
        same, rival = shop.payment(10_000), shop.payment(20_000)
        for each in (same, rival):
            each["paymentPayload"]["extensions"] = IDENTIFIER
        await shop.ask("settle", same)
        asked = [shop.client.post("/x402/settle", json=same if n % 2 else rival) for n in range(2 * MANY)]
        answers = [(each.status_code, each.json()) for each in await asyncio.gather(*asked)]
        await shop.work()
        paid = await asyncio.gather(*(shop.ask("settle", same) for _ in range(MANY)))

        said = Counter(
            (status, told["error"]["code"] if status == 409 else told["errorReason"])
            for status, told in answers
        )
        assert said == {(200, "settlement_pending"): MANY, (409, "payment_identifier_reused"): MANY}
        assert [each["success"] for each in paid] == [True] * MANY
        assert len({(each["transaction"], each["extra"]["authorization"]) for each in paid}) == 1
        assert await shop.received() == [10_000]
        assert await shop.stored() == [("settled", None)]
        await shop.world.require_even()


async def test_fifty_first_requests_at_once_are_one_payment(db_as: OpenAs, tmp_path: Path) -> None:
    """Nobody was first: half ask with one payment, half with another one of the same identifier."""
    async with till(db_as, tmp_path) as shop:
        rivals = shop.payment(10_000), shop.payment(20_000)
        for each in rivals:
            each["paymentPayload"]["extensions"] = IDENTIFIER
        asked = [shop.client.post("/x402/settle", json=rivals[n % 2]) for n in range(MANY)]
        statuses = Counter(each.status_code for each in await asyncio.gather(*asked))
        await shop.work()

        assert statuses == {200: MANY // 2, 409: MANY // 2}
        assert await shop.stored() == [("settled", None)]
        assert len(await shop.received()) == 1
        await shop.world.require_even()
