"""Who asks too fast is told so, and how long to wait; nobody else notices."""

from collections.abc import Mapping
from dataclasses import replace

from bascule.entrypoints.api.limits import Rates
from bascule.entrypoints.api.tracing import trace_id
from tests.support.api import Shop


def told(headers: Mapping[str, str]) -> tuple[str, str]:
    return headers["ratelimit-policy"], headers["ratelimit"]


async def test_key_that_asks_too_fast_waits_and_another_does_not(shop: Shop) -> None:
    shop.deps = replace(shop.deps, pace=Rates(test=1, live=1, money_out=1))
    other = await shop.key(shop.merchant)
    async with shop.client() as client, shop.client(other.secret) as beside:
        answers = [await client.get("/v1/balance") for _ in range(11)]
        not_counted = await beside.get("/v1/balance")  # each client here is a process of its own
        shop.clock.advance(1)
        after = await client.get("/v1/balance")

    refused = answers[10]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert told(answers[0].headers) == (
        '"key";q=10;w=10, "account";q=40;w=10', '"key";r=9;t=1, "account";r=39;t=1',
    )  # fmt: skip
    assert refused.headers["ratelimit"].startswith('"key";r=0;t=10')
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["stripe-should-retry"] == "true"
    assert refused.json()["error"] | {"message": ""} == refused.json()["error"] | {
        "type": "rate_limit_error", "code": "rate_limited", "message": "",
    }  # fmt: skip
    assert (not_counted.status_code, after.status_code) == (200, 200)


async def test_requests_for_money_out_are_counted_apart_and_before_anything_is_written(shop: Shop) -> None:
    shop.deps = replace(shop.deps, pace=Rates(money_out=1))
    async with shop.client() as client:
        for _ in range(10):
            await client.post("/v1/payouts", json={})
        before = await shop.rows()
        refused = await client.post("/v1/payouts", json={})
        read = await client.get("/v1/payouts")

    assert (refused.status_code, read.status_code) == (429, 200)
    assert refused.headers["ratelimit-policy"] == '"money-out";q=10;w=10'
    assert "ratelimit" not in read.headers
    assert await shop.rows() == before


async def test_key_that_may_not_pay_takes_no_request_from_those_that_may(shop: Shop) -> None:
    shop.deps = replace(shop.deps, pace=Rates(money_out=1))
    public = await shop.key(shop.merchant, kind="pk")
    both = {"authorization": f"Bearer {public.secret}"}
    async with shop.client() as client:
        refused = [await client.post("/v1/payouts", json={}, headers=both) for _ in range(11)]
        asked = await client.post("/v1/payouts", json={})

    assert {answer.status_code for answer in refused} == {403}
    assert asked.status_code == 400


def test_trace_is_read_only_where_it_is_one() -> None:
    good = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    read = {
        good: "4bf92f3577b34da6a3ce929d0e0e4736",
        good + b"-more": "4bf92f3577b34da6a3ce929d0e0e4736",
        b"ff" + good[2:]: None,
        good[:3] + b"0" * 32 + good[35:]: None,
        good.upper(): None,
        b"": None,
    }

    assert {value: trace_id([(b"traceparent", value)]) for value in read} == read
    assert trace_id([]) is None


async def test_address_without_a_known_key_is_told_to_wait_and_keys_behind_it_are_not(shop: Shop) -> None:
    shop.deps = replace(shop.deps, pace=Rates(unknown=1))
    wrong = {"authorization": "Bearer sk_test_" + "a" * 48}
    async with shop.client("") as client:
        answers = [await client.get("/v1/balance", headers=wrong if n % 2 else {}) for n in range(11)]
        known = await client.get("/v1/balance", headers={"authorization": f"Bearer {shop.secret}"})
        shop.clock.advance(1)
        after = await client.get("/v1/balance", headers=wrong)

    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[0].headers["ratelimit"].startswith('"address";r=9')
    assert answers[10].headers["retry-after"] == "1"
    assert "address" in answers[10].json()["detail"]
    assert (known.status_code, after.status_code) == (200, 401)
    assert "ratelimit" not in known.headers
