"""What another account has, or one's own account in the other mode, is as if it had never been.

Paths, parameters and lists are the OpenAPI document's: what is new there is asked by itself, and fails here
until each merchant of `owned.py` has one of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from itertools import count
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bascule.entrypoints.api.app import OPERATIONS
from bascule.entrypoints.api.operation import Operation
from tests.entrypoints.api.test_bad_input import OPERATORS
from tests.entrypoints.api.test_breaks import opened
from tests.entrypoints.api.test_lists import LISTS
from tests.support.api import DOCUMENT, ENTROPY, Shop, new_id, shop_on
from tests.support.cases import case
from tests.support.owned import Owner, owners
from tests.support.postgres import TestServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

# The same for everybody, so nobody's.
CATALOGUE = {"list_tokens", "list_networks", "list_roles", "list_report_types"}
SANDBOX = "test_helpers"  # needs a chain: tests/slow/test_triggers.py asks it beside a running installation
BY_ID = [o for o in OPERATIONS if "{id}" in o.path and o.name not in OPERATORS and o.tag != SANDBOX]
ASKED_LISTS = [o for o in LISTS if o.name not in OPERATORS | CATALOGUE and o.tag != SANDBOX]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(postgres_server: TestServer) -> AsyncIterator[Shop]:
    """One shop for the whole file: nothing of it may change."""
    async with shop_on(postgres_server, "bascule_owned") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def both(shop: Shop) -> tuple[Owner, Owner]:
    """The merchant, and another."""
    return await owners(shop)


class Ids(dict[str, str]):
    """An account's objects: an id by the collection it is in, or by what a path calls it."""

    def __missing__(self, collection: str) -> str:
        raise AssertionError(f"{collection}: owned.py makes one for each merchant")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ids(shop: Shop, both: tuple[Owner, Owner]) -> tuple[Ids, Ids]:
    """What each of them has, as their own lists tell it."""
    found = (Ids(both[0].more), Ids(both[1].more))
    for owner, of in zip(both, found, strict=True):
        async with shop.client(owner.secret) as client:
            listed: dict[str, list[str]] = {}
            for operation in ASKED_LISTS:
                if "{" not in operation.path:
                    listed[operation.path] = await listed_at(client, operation.path)
                    assert listed[operation.path], f"{operation.name}: owned.py makes one for each merchant"
                    of[operation.path] = listed[operation.path][0]
            for operation in ASKED_LISTS:
                if "{" in operation.path:
                    parents = operation.path.partition("/{id}")[0]
                    for parent in [of[parents], *listed[parents]]:
                        inside = await listed_at(client, operation.path.format(id=parent))
                        if inside:
                            of[parents], of[operation.path] = parent, inside[0]
                            break
    return found


async def rows_at(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    answer = await client.get(path, params={"limit": 100})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def listed_at(client: httpx.AsyncClient, path: str) -> list[str]:
    return [str(each["id"]) for each in await rows_at(client, path)]


def at(operation: Operation, of: Ids) -> str:
    """The operation's path at what somebody has."""
    id = of[operation.path.partition("/{id}")[0]] if "{id}" in operation.path else ""
    return operation.path.format(id=id, delivery=of["{delivery}"])


def never(shop: Shop, id: str) -> str:
    """An id of the same kind, which nothing has."""
    prefix, _, own = id.rpartition("_")
    return f"{prefix}_{10**15}" if own.isdigit() else new_id(prefix, shop.clock, ENTROPY)


def said(answer: httpx.Response, id: str) -> Any:
    """What an answer tells, without the id that was asked for."""
    told = answer.json()
    if "error" in told:
        told = {name: told["error"][name] for name in ("code", "param", "message", "next_step")}
    return answer.status_code, json.loads(json.dumps(told).replace(id, "ID"))


async def ask(client: httpx.AsyncClient, operation: Operation, path: str) -> httpx.Response:
    body = None if operation.reads else dict(operation.example) or None
    return await client.request(operation.method, path, json=body, headers={"idempotency-key": "k"})


async def test_nobody_reaches_what_others_have_by_any_operation(
    shop: Shop, both: tuple[Owner, Owner], ids: tuple[Ids, Ids]
) -> None:
    before = await shop.rows()
    for secret in (both[1].secret, both[0].live_secret):
        async with shop.client(secret) as stranger:
            for operation in BY_ID:
                if secret == both[0].live_secret and operation.tag == "accounts":
                    continue  # the same in both modes
                with case(f"{operation.name} {secret[:8]}"):
                    answer = await ask(stranger, operation, at(operation, ids[0]))
                    error = answer.json()["error"]
                    assert (answer.status_code, error["code"], error["param"]) == (
                        404, "resource_missing", "id",
                    )  # fmt: skip
    assert len(BY_ID) >= 70
    assert await shop.rows() == before


async def test_a_delivery_of_anothers_endpoint_is_sent_by_nobody(
    shop: Shop, both: tuple[Owner, Owner], ids: tuple[Ids, Ids]
) -> None:
    [inside] = [operation for operation in OPERATIONS if operation.path.count("{") > 1]
    id, theirs = ids[1]["/v1/webhook_endpoints"], ids[0]["{delivery}"]
    async with shop.client(both[1].secret) as stranger:
        answers = [
            said(await stranger.request(inside.method, inside.path.format(id=id, delivery=each)), each)
            for each in (theirs, never(shop, theirs))
        ]
    assert (answers[0][0], answers[0][1]["param"]) == (404, "delivery")
    assert answers[0] == answers[1]


async def test_no_list_tells_of_what_others_have_or_takes_it_for_a_cursor(
    shop: Shop, both: tuple[Owner, Owner], ids: tuple[Ids, Ids]
) -> None:
    for secret in (both[1].secret, both[0].live_secret):
        async with shop.client(secret) as stranger:
            live = secret == both[0].live_secret
            for operation in ASKED_LISTS:
                if live and (operation.tag == "accounts" or "{" in operation.path):
                    continue  # the same in both modes; nothing to be in
                theirs, path = ids[0][operation.path], at(operation, ids[1])
                with case(f"{operation.name} {secret[:8]}"):
                    assert theirs not in await listed_at(stranger, path)
                    for name in ("starting_after", "ending_before"):
                        answers = [
                            said(await stranger.get(path, params={name: id}), id)
                            for id in (theirs, never(shop, theirs))
                        ]
                        assert (answers[0][0], answers[0][1]["param"]) == (404, name)
                        assert answers[0] == answers[1]
    assert len(ASKED_LISTS) > 20


async def test_lists_in_an_object_say_what_is_wrong_with_their_page(
    shop: Shop, both: tuple[Owner, Owner], ids: tuple[Ids, Ids]
) -> None:
    wrong = [("limit", each) for each in ("0", "101", "-1", "1e3", "99999999999999999999")]
    async with shop.client(both[0].secret) as owner:
        inside = [operation for operation in ASKED_LISTS if "{" in operation.path]
        for operation in inside:
            path, id = at(operation, ids[0]), ids[0][operation.path]
            for name, value in [*wrong, ("created[gte]", "yesterday"), ("expand[]", "nonsense")]:
                with case(f"{operation.name} {name}={value}"):
                    answer = await owner.get(path, params={name: value})
                    named = answer.json()["error"]["param"]
                    assert (answer.status_code, named) == (400, name.replace("[]", "[0]"))
            both_ends = await owner.get(path, params={"starting_after": id, "ending_before": id})
            assert both_ends.json()["error"]["param"] == "ending_before"
            with case(operation.name):
                every = [each["id"] for each in await rows_at(owner, path)]
                paged, after = [], {}
                while len(paged) <= len(every):
                    page = (await owner.get(path, params={"limit": 1, **after})).json()
                    paged += [each["id"] for each in page["data"]]
                    if not page["has_more"]:
                        break
                    after = {"starting_after": paged[-1]}
                assert paged == every
    assert len(inside) >= 4


# What a parameter names, by the collection it is in.
NAMES = {
    "payment_intent": "/v1/payment_intents", "quote": "/v1/quotes", "mandate": "/v1/mandates",
    "reissue_of": "/v1/payouts", "payout": "/v1/payouts", "to": "/v1/destinations",
    "member": "/v1/members", "event": "/v1/events", "object": "/v1/payment_intents",
    "page": "/v1/payment_intents",
}  # fmt: skip
ROWS_OWN = {"source", "actor", "deposit"}  # name what the list's rows name by it
EVERYBODYS = {"token"}
# What cannot be said beside it.
INSTEAD = {"quote": {"amount", "currency"}, "payment_intent": {"amount", "currency", "description"}}
BESIDE = {  # what must be said beside it, for it to be looked at
    ("search_payment_intents", "page"): {"query": "currency:usdc"},
    ("simulate_policy", "mandate"): {"amount": "1.00"},
}


def names_of(schema: dict[str, Any], path: str = "", seen: tuple[str, ...] = ()) -> Iterator[str]:
    """The parameters that name an object, as a form writes them: `items[0][mandate]`."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in seen:
            yield from names_of(DOCUMENT["components"]["schemas"][name], path, (*seen, name))
    for way in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(way, []):
            yield from names_of(each, path, seen)
    if schema.get("maxLength") == 64 or "wal_" in schema.get("pattern", ""):
        yield path
    for name, each in schema.get("properties", {}).items():
        yield from names_of(each, f"{path}[{name}]" if path else name, seen)
    if "items" in schema:
        yield from names_of(schema["items"], f"{path}[0]", seen)


def named_in(operation: Operation) -> list[str]:
    """The parameters of an operation that name an object of an account."""
    described = DOCUMENT["paths"][operation.path][operation.method.lower()]
    found: set[str] = set()
    for said_of in described.get("parameters", []):
        reference = said_of.get("$ref", "").rpartition("/")[2]
        parameter = DOCUMENT["components"]["parameters"][reference] if reference else said_of
        if parameter["in"] == "query":
            found.update(names_of(parameter["schema"], parameter["name"]))
    body = described.get("requestBody", {}).get("content", {}).get("application/json")
    found.update(names_of(body["schema"]) if body else ())
    cursors = {"starting_after", "ending_before"}
    return sorted(path for path in found if re.findall(r"\w+", path)[-1] not in EVERYBODYS | cursors)


def with_name(body: Any, steps: list[str], id: str) -> Any:
    """The body with an id in one place."""
    if not steps:
        return id
    step, rest = steps[0], steps[1:]
    if step.isdigit():
        return [with_name((body or [{}])[0], rest, id)]
    kept = {name: value for name, value in (body or {}).items() if name not in INSTEAD.get(step, ())}
    return kept | {step: with_name(kept.get(step), rest, id)}


NAMING = [
    (operation, path) for operation in OPERATIONS
    if operation.name not in OPERATORS and operation.tag != SANDBOX
    for path in named_in(operation)
]  # fmt: skip


async def test_no_parameter_takes_what_others_have(
    shop: Shop, both: tuple[Owner, Owner], ids: tuple[Ids, Ids]
) -> None:
    """It says what it says of an id that nothing has; of one's own something else, so it was asked."""
    numbers = count(1)
    async with shop.client(both[1].secret) as stranger, shop.client(both[0].secret) as owner:
        for operation, path in NAMING:
            with case(f"{operation.name} {path}"):
                steps = re.findall(r"\w+", path)
                if steps[-1] in ROWS_OWN:
                    theirs, own = [
                        next(each[path] for each in await rows_at(client, operation.path) if each[path])
                        for client in (owner, stranger)
                    ]
                else:
                    assert steps[-1] in NAMES, "say in NAMES what it names"
                    theirs, own = (of[NAMES[steps[-1]]] for of in ids)
                answers = []
                for id in (theirs, never(shop, theirs), own):
                    asked = with_name(dict(operation.example), steps, id) | BESIDE.get(
                        (operation.name, path), {}
                    )
                    answer = await stranger.request(
                        operation.method, at(operation, ids[1]),
                        params=asked if operation.reads else None,
                        json=None if operation.reads else asked,
                        headers={"idempotency-key": (key := f"names-{next(numbers)}")},
                    )  # fmt: skip
                    status, told = said(answer, id)
                    answers.append((status, json.dumps(told).replace(key, "KEY")))
                assert answers[0] == answers[1]
                assert answers[2] != answers[1], "of one's own it says something else"
    assert len(NAMING) > 20


async def test_what_is_the_operators_alone_is_refused_to_merchants_whatever_they_name(
    shop: Shop, both: tuple[Owner, Owner]
) -> None:
    broken = await opened(shop, "seal_break", "seal 7")
    numbers = count(1)
    for secret in (both[0].secret, both[0].live_secret):
        async with shop.client(secret) as merchant:
            for operation in OPERATIONS:
                if operation.name in OPERATORS:
                    for id in {"{id}" in operation.path and broken, never(shop, broken)} - {False}:
                        answer = await merchant.request(
                            operation.method, operation.path.format(id=id),
                            json=None if operation.reads else dict(operation.example) or None,
                            headers={"idempotency-key": f"operators-{next(numbers)}"},
                        )  # fmt: skip
                        with case(f"{operation.name} {secret[:8]}"):
                            error = answer.json()["error"]
                            assert (answer.status_code, error["code"]) == (403, "operator_only")


async def test_the_operators_live_key_finds_no_break_of_a_test_network(shop: Shop) -> None:
    token = shop.tokens["local"]
    broken = await opened(
        shop, "custody_residual", token.id, amount=-1, chain_id=token.chain_id, token_id=token.id
    )
    of_test, of_live = [(await shop.key(shop.operator, livemode=live)).secret for live in (False, True)]
    async with shop.client(of_test) as own, shop.client(of_live) as live:
        assert (await own.get(f"/v1/breaks/{broken}")).status_code == 200
        assert broken not in await listed_at(live, "/v1/breaks")
        for operation in OPERATIONS:
            if operation.path.startswith("/v1/breaks/{id}"):
                answer = await ask(live, operation, operation.path.format(id=broken))
                assert (answer.status_code, answer.json()["error"]["code"]) == (404, "resource_missing")


LIVE_MADE: dict[str, dict[str, Any]] = {  # what a live key makes by the API alone
    "/v1/payment_intents": {"amount": "1.00", "currency": "usdc"},
    "/v1/checkout/sessions": {"amount": "1.00", "currency": "usdc"},
    "/v1/invoices": {
        "currency": "usdc", "lines": [{"description": "a", "quantity": 1, "unit_amount": "5.00"}],
    },
    "/v1/quotes": {"amount": "1.00", "currency": "eur", "to_currency": "usdc"},
    "/v1/webhook_endpoints": {"url": "https://m.example/"},
    "/v1/api_keys": {"scopes": ["balance:read"]},
    "/v1/destinations": {"label": "Home", "network": "eip155:8453", "address": f"0x{7:040}"},
    "/v1/reporting/report_runs": {
        "report_type": "activity",
        "parameters": {"interval_start": 1_700_000_000, "interval_end": 1_700_086_400},
    },
}  # fmt: skip


async def test_a_test_key_reaches_nothing_that_the_same_account_has_for_real(
    shop: Shop, both: tuple[Owner, Owner]
) -> None:
    async with shop.client(both[0].live_secret) as live, shop.client(both[0].secret) as test:
        asked = 0
        for path, body in LIVE_MADE.items():
            made = await live.post(path, json=body)
            assert made.status_code == 200, f"{path}: {made.text}"
            id = made.json()["id"]
            assert id in await listed_at(live, path)
            assert id not in await listed_at(test, path)
            for operation in BY_ID:
                if operation.path.partition("/{id}")[0] == path:
                    with case(operation.name):
                        delivery = never(shop, "dlv_" + "0" * 26)
                        answer = await ask(test, operation, operation.path.format(id=id, delivery=delivery))
                        error = answer.json()["error"]
                        assert (answer.status_code, error["code"], error["param"]) == (
                            404, "resource_missing", "id",
                        )  # fmt: skip
                        asked += 1
    assert asked >= 30
