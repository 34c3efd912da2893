"""A program written with Stripe's own library talks to us by changing its key and its address."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from typing import Any, TypeVar

import pytest
import stripe

from bascule.entrypoints.api import create_app
from bascule.entrypoints.api.limits import Rates
from bascule.services.failpoints import Failpoints
from tests.support.api import Shop, with_failpoints
from tests.support.receiver import local_sender, receiver
from tests.support.sandbox import served

pytestmark = pytest.mark.slow

T = TypeVar("T")
Told = Callable[..., Awaitable[Any]]
ORDER = {"amount": "10.50", "currency": "usdc", "metadata": {"order": "6735"}}


def at(shop: Shop, failpoints: Failpoints | None = None) -> AbstractAsyncContextManager[str]:
    """The shop's API behind real HTTP."""
    return served(create_app(shop.deps if failpoints is None else with_failpoints(shop.deps, failpoints)))


async def ask(url: str, secret: str, work: Callable[[Any], T]) -> T:
    """What the library's blocking client makes of us, beside the server that answers it."""

    def asked() -> T:
        http = stripe.RequestsClient()
        client = stripe.StripeClient(
            secret, base_addresses={"api": url}, max_network_retries=2, http_client=http
        )
        try:
            return work(client.v1)
        finally:
            http.close()

    return await asyncio.to_thread(asked)


async def refused(url: str, secret: str, work: Callable[[Any], object]) -> stripe.StripeError:
    """What the library raises."""
    with pytest.raises(stripe.StripeError) as raised:
        await ask(url, secret, work)
    return raised.value


async def test_intents_are_made_read_changed_and_canceled(shop: Shop) -> None:
    def work(v1: Any) -> None:
        made = v1.payment_intents.create(ORDER)
        assert made.__class__ is stripe.PaymentIntent
        assert (made.amount, made.status, made.metadata["order"]) == (
            "10.500000", "requires_action", "6735",
        )  # fmt: skip
        assert made.last_response.request_id.startswith("req_")
        changed = v1.payment_intents.update(made.id, {"metadata": {"order": "", "table": "4"}})
        assert changed.metadata.to_dict() == {"table": "4"}
        again = v1.payment_intents.retrieve(made.id, {"expand": ["latest_deposit"]})
        assert (again.client_secret, again.latest_deposit) == (made.client_secret, None)
        called_off = v1.payment_intents.cancel(made.id, {"cancellation_reason": "abandoned"})
        assert (called_off.status, called_off.cancellation_reason) == ("canceled", "abandoned")
        assert v1.balance.retrieve().object == "balance"

    async with at(shop) as url:
        await ask(url, shop.secret, work)


async def test_lists_and_searches_are_paged_to_their_ends_both_ways(shop: Shop) -> None:
    def work(v1: Any) -> None:
        made = []
        for _ in range(5):
            shop.clock.advance(1)
            made.append(v1.payment_intents.create(ORDER).id)
        newest_first = made[::-1]
        every = v1.payment_intents.list({"limit": 2})
        assert [intent.id for intent in every.auto_paging_iter()] == newest_first
        back = v1.payment_intents.list({"limit": 2, "ending_before": made[0]})
        assert [intent.id for intent in back.auto_paging_iter()] == made[1:]
        none = v1.payment_intents.list({"created": {"gte": every.data[0].created + 9}})
        assert list(none.auto_paging_iter()) == []
        found = v1.payment_intents.search({"query": "metadata['order']:'6735'", "limit": 2})
        assert isinstance(found, stripe.SearchResultObject)
        assert [intent.id for intent in found.auto_paging_iter()] == newest_first

    async with at(shop) as url:
        await ask(url, shop.secret, work)


@pytest.mark.parametrize(("lost_at", "kept"), [("api.before_commit", 0), ("api.before_response", 1)])
async def test_an_answer_that_was_lost_is_asked_for_again_and_makes_one_intent(
    shop: Shop, lost_at: str, kept: int
) -> None:
    failing = FailsOnce(lost_at)
    async with at(shop, failing) as url:
        made = await ask(url, shop.secret, lambda v1: v1.payment_intents.create(ORDER))
        listed = await ask(url, shop.secret, lambda v1: v1.payment_intents.list())

    assert failing.failed
    assert [intent.id for intent in listed] == [made.id]
    assert made.last_response is not None
    assert ("idempotent-replayed" in made.last_response.headers) == bool(kept)


class FailsOnce(Failpoints):
    """An error of ours at the first passing of one point."""

    def __init__(self, name: str) -> None:
        super().__init__({name: 1})
        self.name, self.failed = name, False

    def hit(self, name: str) -> None:
        if name == self.name and not self.failed:
            self.failed = True
            raise RuntimeError("ours")


async def test_a_key_that_is_still_being_worked_on_is_asked_again_and_makes_one_intent(shop: Shop) -> None:
    statuses: list[int] = []
    refused_once = asyncio.Event()
    app = create_app(shop.deps)

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        async def noted(message: Any) -> None:
            if message["type"] == "http.response.start":
                statuses.append(message["status"])
                refused_once.set()
            await send(message)

        await app(scope, receive, noted)

    async with served(noting) as url:
        async with shop.owner.transaction() as conn:
            scope = f"idempotency:{shop.merchant}:False:held"
            await conn.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [scope])
            asking = asyncio.create_task(
                ask(
                    url, shop.secret, lambda v1: v1.payment_intents.create(ORDER, {"idempotency_key": "held"})
                )
            )
            await refused_once.wait()
        made = await asking
        listed = await ask(url, shop.secret, lambda v1: v1.payment_intents.list())

    assert [intent.id for intent in listed] == [made.id]
    assert (statuses[0], statuses[-2:]) == (409, [200, 200])
    assert set(statuses[:-2]) == {409}, "nothing but the key in use was told on the way"


async def test_each_refusal_is_raised_as_the_class_it_would_be_of_stripe(shop: Shop) -> None:
    reader = await shop.key(shop.merchant, kind="rk", scopes=["payment_intents:read"])
    async with at(shop) as url:
        wrong = await refused(
            url, shop.secret, lambda v1: v1.payment_intents.create(ORDER | {"amount": 1050})
        )
        unknown = await refused(url, shop.secret, lambda v1: v1.payment_intents.create(ORDER | {"tip": "1"}))
        missing = await refused(url, shop.secret, lambda v1: v1.payment_intents.retrieve("pi_none"))
        stranger = await refused(url, "sk_test_nobody", lambda v1: v1.balance.retrieve())
        narrow = await refused(url, reader.secret, lambda v1: v1.payment_intents.create(ORDER))

        def twice(v1: Any) -> None:
            v1.payment_intents.create(ORDER, {"idempotency_key": "k"})
            v1.payment_intents.create(ORDER | {"amount": "9.00"}, {"idempotency_key": "k"})

        other_body = await refused(url, shop.secret, twice)

        def canceled_twice(v1: Any) -> None:
            made = v1.payment_intents.create(ORDER)
            v1.payment_intents.cancel(made.id, options={"idempotency_key": "c1"})
            v1.payment_intents.cancel(made.id, options={"idempotency_key": "c2"})

        late = await refused(url, shop.secret, canceled_twice)

    for error, kind, code, param in (
        (wrong, stripe.InvalidRequestError, "amount_decimal_point_required", "amount"),
        (unknown, stripe.InvalidRequestError, "parameter_unknown", "tip"),
        (missing, stripe.InvalidRequestError, "resource_missing", "id"),
        (stranger, stripe.AuthenticationError, "api_key_invalid", None),
        (narrow, stripe.PermissionError, "scope_missing", None),
        (other_body, stripe.IdempotencyError, "idempotency_key_reused", None),
        (late, stripe.APIError, "payment_intent_unexpected_state", None),
    ):
        assert type(error) is kind, error
        assert error.error is not None
        assert (error.error.code, error.error.param) == (code, param)
        assert error.user_message
        assert error.request_id is not None
        assert error.request_id.startswith("req_")


async def test_one_that_asks_too_fast_is_told_as_by_stripe(shop: Shop) -> None:
    shop.deps = replace(shop.deps, pace=Rates(test=1, live=1, money_out=1))

    def hurry(v1: Any) -> None:
        for _ in range(20):
            v1.balance.retrieve()

    async with at(shop) as url:
        error = await refused(url, shop.secret, hurry)

    assert isinstance(error, stripe.RateLimitError)


@pytest.mark.parametrize("rotated", [False, True])
async def test_webhook_becomes_stripes_event_and_a_changed_one_is_refused(shop: Shop, rotated: bool) -> None:
    async with at(shop) as url, receiver() as merchant, local_sender() as sender:

        def work(v1: Any) -> str:
            hook = v1.webhook_endpoints.create(
                {"url": merchant.url + "/hook", "enabled_events": ["*"], "bascule_signature": True}
            )
            v1.payment_intents.create(ORDER | {"description": "Bücher, 書籍"})
            secret: str = hook.secret
            return secret

        secret = await ask(url, shop.secret, work)
        if rotated:
            async with shop.client() as ours:
                [hook] = (await ours.get("/v1/webhook_endpoints")).json()["data"]
                await ours.post(f"/v1/webhook_endpoints/{hook['id']}/rotate_secret", json={"overlap": 3600})
        await shop.sequencer().run_once()
        await shop.dispatcher(sender).drain()
        [(_, headers, body)] = merchant.got
        signature = headers["bascule-signature"]
        event = stripe.Webhook.construct_event(body, signature, secret)
        listed = await ask(url, shop.secret, lambda v1: v1.events.retrieve(event.id))

    assert (type(event), event.type) == (stripe.Event, "payment_intent.created")
    assert isinstance(event.data.object, stripe.PaymentIntent)
    assert event.data.object["description"] == "Bücher, 書籍"
    assert listed.to_dict() == event.to_dict()
    for spoilt in (body.replace(b"10.50", b"99.50", 1), b" " + body):
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(spoilt, signature, secret)
