"""Fifty requests with one key, spread over two API processes, are one request."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, LiteralString

import httpx
import pytest

from bascule.entrypoints.ports import held
from tests.support.api import PEPPER, OpenAs, Shop, open_shop
from tests.support.cases import case
from tests.support.money_out_setup import approver
from tests.support.owned import MONEY, MONEY_IN, allowed_to_pay

pytestmark = pytest.mark.slow
MANY, TRIES = 50, 200
TO = {"to": approver(9).address}


@pytest.fixture
async def shop(db_as: OpenAs) -> Shop:
    """A merchant with money to pay out, and a payment to refund."""
    made = await open_shop(db_as)
    await allowed_to_pay(made, made.merchant)
    return made


@asynccontextmanager
async def api_process(shop: Shop) -> AsyncIterator[str]:
    """The URL of one `bascule api`, which is killed at the end."""
    with held("127.0.0.1", 0) as port:
        settings = {
            "BASCULE_DATABASE_URL_API": shop.api.url,
            "BASCULE_API_PEPPER": PEPPER.decode(),
            "BASCULE_DEPOSIT_SEED": "5e" * 32,
            "BASCULE_API_PORT": str(port),
            "BASCULE_RATE_LIMIT_TEST": "0",
            "BASCULE_RATE_LIMIT_MONEY_OUT": "0",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bascule", "api", env=os.environ | settings, stdout=PIPE
        )
        try:
            assert process.stdout is not None
            assert json.loads(await process.stdout.readline())["port"] == port
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            await process.wait()


async def asked(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> tuple[bytes, bool]:
    """The answer's bytes, and whether it was replayed; asked again, as told, while it is being worked on."""
    for _ in range(TRIES):
        answer = await client.post(path, json=body, headers={"idempotency-key": f"one{path}"})
        if answer.status_code == 200:
            return answer.content, "idempotent-replayed" in answer.headers
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "idempotency_key_in_use")
        assert answer.headers["retry-after"] == "1"
        await asyncio.sleep(0.1)
    raise AssertionError("it was worked on to the end")


async def count_of(shop: Shop, what: LiteralString, *values: object) -> int:
    async with shop.owner.read() as conn:
        [[count]] = await (await conn.execute(what, values)).fetchall()
    return int(count)


async def test_fifty_requests_with_one_key_over_two_processes_have_one_effect_and_one_answer(
    shop: Shop,
) -> None:
    async with shop.client() as client:
        intent = (await client.post("/v1/payment_intents", json=MONEY_IN)).json()
    deposit = await shop.arrive(intent, 1_000_000)
    await shop.run(
        "UPDATE deposits SET state = 'finalized', finalized_at = created_at WHERE id = %s", deposit
    )
    lines = [MONEY | TO | {"amount": amount} for amount in ("2.00", "3.00")]
    referred = MONEY_IN | {"client_reference_id": "x"}
    wanted: list[tuple[str, str, dict[str, Any], LiteralString]] = [
        ("/v1/payment_intents", "create_payment_intent", referred,
         "SELECT count(*) FROM payment_intents WHERE client_reference_id = 'x'"),
        ("/v1/payouts", "create_payout", MONEY | TO, "SELECT count(*) FROM payouts WHERE batch_id IS NULL"),
        ("/v1/refunds", "create_refund", {"payment_intent": intent["id"], "amount": "0.10"},
         "SELECT count(*) FROM refunds"),
        ("/v1/payout_batches", "create_payout_batch", {"items": lines},
         "SELECT count(*) FROM payout_batches"),
    ]  # fmt: skip
    async with AsyncExitStack() as stack:
        key = {"authorization": f"Bearer {shop.secret}"}
        urls = [await stack.enter_async_context(api_process(shop)) for _ in range(2)]
        clients = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=url, headers=key, timeout=60))
            for url in urls
        ]
        for path, name, body, made in wanted:
            with case(path):
                answers = await asyncio.gather(
                    *(asked(clients[number % 2], path, body) for number in range(MANY))
                )
                assert len({content for content, _ in answers}) == 1
                assert Counter(replayed for _, replayed in answers) == {False: 1, True: MANY - 1}
                assert await count_of(shop, made) == 1
                of_it = "SELECT count(*) FROM audit_log WHERE action = %s AND object_id = %s"
                id = json.loads(answers[0][0])["id"]
                assert await count_of(shop, of_it, f"api.{name}", id) == 1
                told = "SELECT count(*) FROM outbox WHERE object_id = %s AND type LIKE '%%.created'"
                if path != "/v1/payout_batches":
                    assert await count_of(shop, told, id) == 1
    assert await count_of(shop, "SELECT count(*) FROM payouts") == 3
