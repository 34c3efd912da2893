"""Stories of merchants who decide about unapplied money over HTTP: keys, scopes, retries, crashes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from bascule.entrypoints.api import ApiDeps, create_app
from bascule.services import api_keys
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.services.seams import SystemEntropy
from tests.scenarios.test_money_in_choices import CREDITED, paid_twice
from tests.support.api import PEPPER, SEED, conforms
from tests.support.cases import long_after
from tests.support.crashing import Crash, Crashing
from tests.support.money_in import Bridge, OpenAs, bridge

KEY = {"idempotency-key": "decide-1"}


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


@asynccontextmanager
async def client(
    b: Bridge, failpoints: Failpoints = NO_FAILPOINTS, **key: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """The merchant's client. key: of which kind, with which scopes."""
    entropy = SystemEntropy()
    async with b.owner.transaction() as conn:
        issued = await api_keys.issue(
            conn, account_id=b.merchant, pepper=PEPPER, clock=b.clock, entropy=entropy, livemode=False,
            **({"kind": "sk"} | key),
        )  # fmt: skip
    deps = ApiDeps(b.api, b.clock, entropy, PEPPER, SEED, public_url="http://b.test", failpoints=failpoints)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=create_app(deps)),
        base_url="http://b.test",
        headers={"authorization": f"Bearer {issued.secret}"},
        event_hooks={"response": [conforms]},
    ) as made:
        yield made


async def test_a_duplicate_is_listed_with_its_next_steps_applied_and_found_under_its_intent(
    b: Bridge,
) -> None:
    _, first, _ = await paid_twice(b)
    second = await b.intent("10.00")
    async with client(b) as merchant:
        listed = (await merchant.get(f"/v1/deposits?payment_intent={first['id']}")).json()["data"]
        [duplicate] = [each for each in listed if each["next_steps"]]
        assert (duplicate["unapplied_reason"], duplicate["next_steps"]) == (
            "already_paid",
            ["apply", "accept", "refund"],
        )

        path, body = f"/v1/deposits/{duplicate['id']}/apply", {"payment_intent": second["id"]}
        done = await merchant.post(path, json=body, headers=KEY)
        again = await merchant.post(path, json=body, headers=KEY)
        other = await merchant.post(path, json=body, headers={"idempotency-key": "decide-2"})

        found = (await merchant.get(f"/v1/deposits?payment_intent={second['id']}")).json()["data"]
        intent = (await merchant.get(f"/v1/payment_intents/{second['id']}")).json()
    assert (done.status_code, again.content) == (200, done.content)
    assert again.headers["idempotent-replayed"] == "true"
    assert (other.status_code, other.json()["error"]["code"]) == (409, "application_unexpected_state")
    assert [each["id"] for each in found] == [duplicate["id"]]
    assert (intent["status"], intent["latest_deposit"]) == ("succeeded", duplicate["id"])
    assert intent["evidence"]["transactions"][0]["deposit"] == duplicate["id"]
    assert await b.booked() == CREDITED


async def test_deciding_needs_its_scope_a_key_and_an_intent(b: Bridge) -> None:
    _, _, deposit = await paid_twice(b)
    path = f"/v1/deposits/{deposit['id']}"
    async with client(b, kind="rk", scopes=("deposits:read",)) as reader, client(b) as merchant:
        forbidden = await reader.post(f"{path}/accept", headers=KEY)
        keyless = await merchant.post(f"{path}/accept")
        vague = await merchant.post(f"{path}/apply", headers=KEY)
        nobodys = await merchant.post(f"{path}/apply", json={"payment_intent": "pi_no"}, headers=KEY)
        unknown = await merchant.post("/v1/deposits/dep_no/accept", headers=KEY)
    found = [
        (each.status_code, each.json()["error"]["code"])
        for each in (forbidden, keyless, vague, nobodys, unknown)
    ]
    assert found == [
        (403, "scope_missing"),
        (400, "idempotency_key_missing"),
        (400, "parameter_missing"),
        (404, "resource_missing"),
        (404, "resource_missing"),
    ]
    assert (await b.deposits())[1] == deposit


@pytest.mark.parametrize("choice", ["apply", "accept"])
@pytest.mark.parametrize(
    "failpoint", long_after(1, ["api.after_commit", "api.before_commit", "api.before_response"])
)
async def test_a_crash_while_deciding_leaves_all_or_nothing_and_the_retry_decides_once(
    b: Bridge, failpoint: str, choice: str
) -> None:
    _, _, deposit = await paid_twice(b)
    body = {"payment_intent": (await b.intent("10.00"))["id"]} if choice == "apply" else {}
    path = f"/v1/deposits/{deposit['id']}/{choice}"

    async with client(b, failpoints=Crashing(failpoint)) as dying:
        with pytest.raises(Crash):
            await dying.post(path, json=body, headers=KEY)
    done = failpoint != "api.before_commit"
    assert ((await b.booked()) == CREDITED) == done
    events = len(await b.events())
    async with client(b) as merchant:
        retried = await merchant.post(path, json=body, headers=KEY)

    assert (retried.status_code, "idempotent-replayed" in retried.headers) == (200, done)
    assert await b.booked() == CREDITED
    assert len(await b.events()) == events if done else len(await b.events()) > events
