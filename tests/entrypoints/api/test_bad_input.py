"""Whatever comes in wrong is refused with its own code, names the parameter, and writes nothing.

Since nothing may be written, all of these share one database.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bascule.domain.errors import Rejected
from bascule.entrypoints.api import event_stream
from bascule.entrypoints.api.app import OPERATIONS
from bascule.entrypoints.api.decode import decode_json
from bascule.entrypoints.api.operation import Operation
from tests.support.api import ENTROPY, Shop, new_id, shop_on
from tests.support.cases import case
from tests.support.postgres import TestServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
INTENT = {"amount": "25.00", "currency": "usdc"}
PAYOUT = {
    "amount": "25.00", "currency": "usdc", "network": "eip155:31337",
    "to": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
}  # fmt: skip
ENDPOINT = {"url": "https://merchant.example/hooks"}
BODIES: dict[str, dict[str, Any]] = {
    "/v1/payment_intents": INTENT,
    "/v1/payouts": PAYOUT,
    "/v1/webhook_endpoints": ENDPOINT,
}
WRITES = [operation for operation in OPERATIONS if operation.method == "POST"]
READS = [operation for operation in OPERATIONS if operation.reads]
# A merchant is turned away whatever its parameters are.
OPERATORS = {
    "list_floats", "list_breaks", "get_break", "resolve_break", "list_reconciliation_runs",
    "get_reconciliation_run", "create_reconciliation_run",
    "list_screenings", "get_screening", "release_screening", "reject_screening", "list_screening_lists",
    "import_screening_list",
}  # fmt: skip
WITH_ID = [operation for operation in OPERATIONS if "{id}" in operation.path]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(postgres_server: TestServer) -> AsyncIterator[Shop]:
    """One shop for the whole file."""
    async with shop_on(postgres_server, "bascule_bad_input") as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(shop: Shop) -> AsyncIterator[httpx.AsyncClient]:
    """A client with the merchant's test key."""
    async with shop.client() as client:
        yield client


def named(operation: Operation) -> str:
    return operation.name


def path_of(operation: Operation, shop: Shop) -> str:
    """The operation's path with ids that could exist."""
    prefix = {"payment_intents": "pi", "deposits": "dep", "payouts": "po", "events": "evt"}.get(
        operation.tag, "we"
    )
    return operation.path.format(
        id=new_id(prefix, shop.clock, ENTROPY), delivery=new_id("dlv", shop.clock, ENTROPY)
    )


async def refused(
    shop: Shop, answer: httpx.Response, status: int, code: str, param: str | None, before: dict[str, int]
) -> None:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param), answer.text
    assert await shop.rows() == before


KEY = {"idempotency-key": "k"}


async def test_a_metadata_name_that_is_too_long_is_named_as_it_was_written(client: httpx.AsyncClient) -> None:
    name = "k" * 41
    body = {"amount": "1.00", "currency": "usdc", "metadata": {name: "v"}}

    error = (await client.post("/v1/payment_intents", json=body)).json()["error"]

    assert (error["code"], error["param"]) == ("parameter_invalid", f"metadata[{name}]")


async def test_depth_hidden_behind_a_second_value_is_refused_however_deep() -> None:
    for depth in (30, 1000):
        with pytest.raises(Rejected):
            decode_json(b'{"a": ' + b"[" * depth + b"]" * depth + b', "a": 1}')


@pytest.mark.parametrize(
    ("body", "headers", "status", "code", "param"),
    [
        (b'{"amount": ', JSON, 400, "body_malformed", None),
        (b'{"amount": "1.00", "amount": "2.00"}', JSON, 400, "parameter_invalid", "amount"),
        (b'{"metadata": {"a": "1", "a": "2"}}', JSON, 400, "parameter_invalid", "a"),
        (b'{"surprise": ' + b"9" * 300 + b"}", JSON, 400, "parameter_unknown", "surprise"),
        (b"[]", JSON, 400, "body_malformed", None),
        (b'"text"', JSON, 400, "body_malformed", None),
        (b'{"surprise": 1}', JSON, 400, "parameter_unknown", "surprise"),
        (b'{"description": "a\\u0000b"}', JSON, 400, "parameter_invalid", "description"),
        (b'{"metadata": {"a": ["\\u0000"]}}', JSON, 400, "parameter_invalid", "metadata"),
        (b"description=a%00b", FORM, 400, "parameter_invalid", "description"),
        (b"description=%ff", FORM, 400, "body_malformed", None),
        (b"surprise[a]=1", FORM, 400, "parameter_unknown", "surprise"),
        (b"a[b][c][d][e][f]=1", FORM, 400, "parameter_invalid", "a[b][c][d][e][f]"),
        (b"\xff\xfe", JSON, 400, "body_malformed", None),
        (b"<a/>", {"content-type": "text/xml"}, 415, "content_type_unsupported", None),
        (b"{}", {}, 415, "content_type_unsupported", None),
        (b'{"description": "' + b"x" * 70_000 + b'"}', JSON, 413, "body_too_large", None),
    ],
    ids=lambda value: repr(value)[:30],
)
async def test_a_body_that_cannot_be_read_is_refused_by_every_operation_that_writes(
    shop: Shop, client: httpx.AsyncClient, body: bytes, headers: dict[str, str],
    status: int, code: str, param: str | None,
) -> None:  # fmt: skip
    before = await shop.rows()
    longer = body.replace(b"x", b"x" * 70)  # than a file may be
    for operation in WRITES:
        with case(operation.name):
            sent = longer if status == 413 and operation.file else body
            answer = await client.post(path_of(operation, shop), content=sent, headers=headers | KEY)

            await refused(shop, answer, status, code, param, before)


async def test_a_body_without_announced_length_is_cut_off_at_64_kib(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    before = await shop.rows()

    async def endless() -> Any:
        for _ in range(200):
            yield b" " * 1024

    answer = await client.post("/v1/payment_intents", content=endless(), headers=JSON)

    await refused(shop, answer, 413, "body_too_large", None, before)


def wrong(path: str, code: str, param: str, **changes: Any) -> Any:
    label = ",".join(f"{name}={value!r:.30}" for name, value in changes.items())
    return pytest.param(path, changes, code, param, id=f"{path[4:]}:{label}")


PI, PO, WE = "/v1/payment_intents", "/v1/payouts", "/v1/webhook_endpoints"
WRONG = [
    wrong(PI, "parameter_missing", "amount", amount=...),
    wrong(PI, "parameter_missing", "currency", currency=...),
    wrong(PI, "amount_not_string", "amount", amount=25.0),
    wrong(PI, "amount_not_string", "amount", amount=25),
    wrong(PI, "amount_not_string", "amount", amount=None),
    wrong(PI, "amount_not_string", "amount", amount=["25.00"]),
    wrong(PI, "amount_decimal_point_required", "amount", amount="25"),
    wrong(PI, "amount_too_precise", "amount", amount="25.0000001"),
    wrong(PI, "amount_too_small", "amount", amount="0.00"),
    wrong(PI, "amount_too_small", "amount", amount="-1.00"),
    wrong(PI, "amount_too_large", "amount", amount="1" + "0" * 18 + ".00"),
    wrong(PI, "parameter_invalid", "amount", amount="25.0"),
    wrong(PI, "parameter_invalid", "amount", amount="25,00"),
    wrong(PI, "parameter_invalid", "amount", amount="٢٥.00"),
    wrong(PI, "currency_unsupported", "currency", currency="eurc"),
    wrong(PI, "parameter_invalid", "currency", currency="US DOLLAR"),
    wrong(PI, "parameter_invalid", "currency", currency=5),
    wrong(PI, "parameter_invalid", "accepted", accepted=[]),
    wrong(PI, "parameter_invalid", "accepted", accepted="local"),
    wrong(PI, "parameter_invalid", "accepted", accepted={"0": {"network": "local"}}),
    wrong(PI, "parameter_missing", "accepted[0]", accepted=[{}]),
    wrong(PI, "network_unknown", "accepted[0][network]", accepted=[{"network": "mars"}]),
    wrong(PI, "network_unknown", "accepted[0][network]", accepted=[{"network": "base"}]),
    wrong(PI, "token_unknown", "accepted[1][token]", accepted=[{"network": "local"}, {"token": "tok_no"}]),
    wrong(PI, "parameter_unknown", "accepted[0][chain]", accepted=[{"chain": "local"}]),
    wrong(PI, "parameter_invalid", "expires_at", expires_at="1"),
    wrong(PI, "parameter_invalid", "expires_at", expires_at=1),
    wrong(PI, "parameter_invalid", "expires_at", expires_at=2**70),
    wrong(PI, "parameter_invalid", "expires_at", expires_at=1.5),
    wrong(PI, "parameter_invalid", "expires_at", expires_at=True),
    wrong(PI, "parameter_invalid", "closes_at", closes_at=1),
    wrong(PI, "parameter_invalid", "policy[late]", policy={"late": "maybe"}),
    wrong(PI, "parameter_unknown", "policy[latte]", policy={"latte": "accept"}),
    wrong(PI, "parameter_invalid", "policy[underpay_tolerance_bps]",
          policy={"underpay_tolerance_bps": 10_001}),
    wrong(PI, "amount_not_string", "policy[underpay_tolerance_abs]", policy={"underpay_tolerance_abs": 1}),
    wrong(PI, "parameter_invalid", "policy[underpay_tolerance_abs]",
          policy={"underpay_tolerance_abs": "25.00"}),
    wrong(PI, "parameter_invalid", "metadata[a]", metadata={"a": 1}),
    wrong(PI, "parameter_invalid", "metadata", metadata={f"k{n}": "v" for n in range(51)}),
    wrong(PI, "parameter_invalid", "metadata[a]", metadata={"a": "x" * 501}),
    wrong(PI, "parameter_invalid", "description", description=5),
    wrong(PI, "parameter_invalid", "description", description="x" * 1001),
    wrong(PI, "parameter_invalid", "client_reference_id", client_reference_id="x" * 201),
    wrong(PI, "parameter_invalid", "expand[0]", expand=["merchant"]),
    wrong(PO, "parameter_missing", "to", to=...),
    wrong(PO, "address_checksum_mismatch", "to",
          to="0x70997970c51812dc3A010C7d01b50e0d17dc79C8"),
    wrong(PO, "address_invalid", "to", to="0x70"),
    wrong(PO, "address_invalid", "to", to=5),
    wrong(PO, "address_invalid", "to", to="0x" + "00" * 20),
    wrong(PO, "amount_decimal_point_required", "amount", amount="25"),
    wrong(PO, "amount_not_string", "amount", amount=25.5),
    wrong(PO, "parameter_missing", "network", network=...),
    wrong(PO, "parameter_unknown", "recipient", recipient="0x"),
    wrong(WE, "parameter_missing", "url", url=...),
    wrong(WE, "parameter_invalid", "url", url=5),
    wrong(WE, "webhook_url_forbidden", "url", url="ftp://merchant.example"),
    wrong(WE, "webhook_url_forbidden", "url", url="https://user:pw@merchant.example/"),
    wrong(WE, "parameter_invalid", "enabled_events[0]", enabled_events=["payment.succeeded"]),
    wrong(WE, "parameter_invalid", "enabled_events", enabled_events=[]),
    wrong(WE, "parameter_invalid", "enabled_events", enabled_events="*"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "changes", "code", "param"), WRONG)
async def test_a_wrong_parameter_is_named_with_its_own_code(
    shop: Shop, client: httpx.AsyncClient, path: str, changes: dict[str, Any], code: str, param: str
) -> None:
    body = {name: value for name, value in (BODIES[path] | changes).items() if value is not ...}
    before = await shop.rows()

    answer = await client.post(path, content=json.dumps(body), headers=JSON | KEY)

    await refused(shop, answer, 400, code, param, before)


@pytest.mark.parametrize(
    ("query", "code", "param"),
    [("surprise=1", "parameter_unknown", "surprise"), ("surprise[a]=%00", "parameter_invalid", "surprise")],
)
async def test_an_unknown_query_parameter_is_refused_by_every_operation_that_reads(
    shop: Shop, client: httpx.AsyncClient, query: str, code: str, param: str
) -> None:
    before = await shop.rows()
    for operation in READS:
        with case(operation.name):
            answer = await client.get(f"{path_of(operation, shop)}?{query}")

            await refused(shop, answer, 400, code, param, before)


@pytest.mark.parametrize(
    ("query", "status", "code", "param"),
    [
        ("limit=0", 400, "parameter_invalid", "limit"),
        ("limit=101", 400, "parameter_invalid", "limit"),
        ("limit=ten", 400, "parameter_invalid", "limit"),
        ("limit=1&limit=2", 400, "parameter_invalid", "limit"),
        ("starting_after=pi_nobody", 404, "resource_missing", "starting_after"),
        ("starting_after=a&ending_before=b", 400, "parameter_invalid", "ending_before"),
        ("created[gte]=yesterday", 400, "parameter_invalid", "created[gte]"),
        ("created[near]=5", 400, "parameter_unknown", "created[near]"),
        ("status=lost", 400, "parameter_invalid", "status"),
        ("expand[]=data.merchant", 400, "parameter_invalid", "expand[0]"),
    ],
)
async def test_a_wrong_list_parameter_is_named(
    shop: Shop, client: httpx.AsyncClient, query: str, status: int, code: str, param: str
) -> None:
    answer = await client.get(f"/v1/payment_intents?{query}")

    await refused(shop, answer, status, code, param, await shop.rows())


@pytest.mark.parametrize("id", ["unknown", "pi_", "a%00b", "po_" + "z" * 26, "%2e%2e"])
async def test_an_id_nothing_can_have_is_404_everywhere(shop: Shop, id: str) -> None:
    operators, before = await shop.key(shop.operator), await shop.rows()
    async with shop.client() as client, shop.client(operators.secret) as operator:
        for operation in WITH_ID:
            with case(operation.name):
                path = operation.path.format(id=id, delivery=new_id("dlv", shop.clock, ENTROPY))
                body = operation.example or None
                who = operator if operation.name in OPERATORS else client
                answer = await who.request(operation.method, path, json=body, headers=KEY)

                await refused(shop, answer, 404, "resource_missing", "id", before)


async def test_an_unknown_path_and_a_wrong_method_have_the_same_body_as_all_errors(
    client: httpx.AsyncClient,
) -> None:
    unknown = await client.get("/v1/nothing")
    wrong_method = await client.put("/v1/payment_intents")

    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "route_unknown")
    assert (wrong_method.status_code, wrong_method.json()["error"]["code"]) == (405, "method_not_allowed")
    assert wrong_method.headers["allow"] == "GET, HEAD, POST"


async def test_an_unknown_version_is_refused_by_name(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/balance", headers={"bascule-version": "1999-01-01"})
    tolerated = await client.get("/v1/balance", headers={"stripe-version": "2020-08-27"})

    assert answer.json()["error"]["code"] == "version_unknown"
    assert tolerated.status_code == 200


async def test_a_writing_operation_takes_no_query_string(shop: Shop, client: httpx.AsyncClient) -> None:
    before = await shop.rows()

    answer = await client.post("/v1/payment_intents?amount=1.00", json=INTENT)

    await refused(shop, answer, 400, "parameter_unknown", "amount", before)


@pytest.mark.parametrize("depth", [50, 300, 900, 5_000])
@pytest.mark.parametrize("name", ["amount", "metadata", "accepted", "surprise"])
async def test_a_body_nested_very_deep_is_refused_like_any_other(
    shop: Shop, client: httpx.AsyncClient, depth: int, name: str
) -> None:
    before = await shop.rows()
    body = f'{{"currency":"usdc","amount":"1.00","{name}":{"[" * depth}{"]" * depth}}}'

    answer = await client.post("/v1/payment_intents", content=body, headers=JSON | KEY)

    assert answer.status_code == 400, answer.text
    assert await shop.rows() == before


NASTY: list[Any] = [
    None, True, -1, 2**63, 2**64, 1e308, "", " ", "-0.00", "1e5", "NaN", "x" * 3_000, "\u202e",
    "\ud7ff\uffff",
    "😀" * 50, "'; --", "%s %(id)s", "{}", "../..", "0x" + "f" * 64,
    [], [None], [[]], ["x"] * 60, {}, {"": ""},
    {"a": None}, {"a" * 41: "b"}, {"[": "b"},
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("operation", WRITES, ids=named)
async def test_no_value_of_any_parameter_of_a_write_is_our_own_fault(
    shop: Shop, operation: Operation
) -> None:
    path = path_of(operation, shop)
    async with shop.client(await secret_for(operation, shop)) as client:
        for name in operation.params.model_fields:
            for value in NASTY:
                body = BODIES.get(operation.path, {}) | {name: value}
                key = {"idempotency-key": new_id("req", shop.clock, ENTROPY)}
                answer = await client.post(path, json=body, headers=key)
                assert answer.status_code in (200, 400, 404), f"{name}={value!r:.50}: {answer.text}"


async def secret_for(operation: Operation, shop: Shop) -> str:
    """Of whoever may ask this."""
    return (await shop.key(shop.operator)).secret if operation.name in OPERATORS else shop.secret


@pytest.mark.slow
@pytest.mark.parametrize("operation", READS, ids=named)
async def test_no_value_of_any_parameter_of_a_read_is_our_own_fault(
    shop: Shop, operation: Operation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "LONGEST_S", 0.0)  # a stream ends at once
    path = path_of(operation, shop)
    async with shop.client(await secret_for(operation, shop)) as client:
        for name in operation.params.model_fields:
            for value in [each for each in NASTY if isinstance(each, str | int)]:
                for query in (
                    {name: value},
                    {f"{name}[]": value},
                    {f"{name}[gte]": value},
                    {f"{name}[0]": value},
                ):
                    answer = await client.get(path, params=query)
                    assert answer.status_code in (200, 400, 404), f"{query!r:.70}: {answer.text}"
