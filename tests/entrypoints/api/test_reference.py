"""The documents say what the API does: OpenAPI 3.1, error codes, pages that need nobody else."""

from __future__ import annotations

import ast
import re
from typing import Any

import httpx
import pytest

from bascule.entrypoints.api.app import OPERATIONS
from bascule.entrypoints.api.codes import CODES
from bascule.entrypoints.api.openapi_words import words
from tests.support.api import Shop
from tests.support.source import SRC, python_files

SCHEMA_WORDS = {
    "$ref", "type", "properties", "required", "items", "allOf", "anyOf", "enum", "const", "pattern",
    "description", "title", "default", "examples", "minimum", "maximum", "exclusiveMaximum", "minLength",
    "maxLength", "minItems", "maxItems", "maxProperties", "additionalProperties", "patternProperties",
    "propertyNames",
}  # fmt: skip


OPERATORS = {"reconciliation", "screening_lists"}  # what the operator alone may ask for


@pytest.fixture
async def document(client: httpx.AsyncClient) -> dict[str, Any]:
    found: dict[str, Any] = (await client.get("/openapi.json")).json()
    return found


def walk(value: Any, path: str = "#") -> Any:
    yield path, value
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, part in parts:
        yield from walk(part, f"{path}/{name}")


async def test_an_error_links_to_the_page_that_explains_its_code(client: httpx.AsyncClient) -> None:
    for path in ("/v1/payment_intents?surprise=1", "/v1/nothing", "/v1/tokens?starting_after=tok_none"):
        answer = await client.get(path)
        error = answer.json()["error"]
        page, _, code = error["doc_url"].partition("#")

        assert page == "http://bridge.test/docs/errors"
        assert answer.json()["type"] == error["doc_url"]
        assert f'id="{code}"' in (await client.get(page)).text


async def test_every_reference_in_the_document_leads_somewhere(document: dict[str, Any]) -> None:
    references = [value["$ref"] for _, value in walk(document) if isinstance(value, dict) and "$ref" in value]

    assert len(references) > 100
    for reference in references:
        place: Any = document
        for name in reference.removeprefix("#/").split("/"):
            place = place[name]


async def test_the_document_has_the_form_of_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert set(document) == {"openapi", "info", "servers", "security", "tags", "paths", "components"}
    assert document["servers"] == [{"url": "http://bridge.test"}]
    ids = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            ids.append(operation["operationId"])
            in_path = {p["name"] for p in operation.get("parameters", []) if p.get("in") == "path"}
            assert in_path == set(re.findall(r"\{(\w+)\}", path))
            assert {"200", "400", "401", "403"} <= set(operation["responses"])
            assert ("requestBody" in operation) == (method == "post")
            assert {each["name"] for each in document["tags"]} >= set(operation["tags"])
    assert len(ids) == len(set(ids)) == len(OPERATIONS)


async def test_schemas_use_only_words_of_json_schema_2020_12(document: dict[str, Any]) -> None:
    names = set(document["components"]["schemas"])
    for name, schema in document["components"]["schemas"].items():
        for path, value in walk(schema, name):
            inside_names = re.search(r"/(properties|patternProperties|default|examples|enum)$", path)
            if isinstance(value, dict) and not inside_names and "/default" not in path:
                assert set(value) <= SCHEMA_WORDS, f"{path}: {set(value) - SCHEMA_WORDS}"
    assert {"PaymentIntent", "Deposit", "Payout", "Problem", "PaymentIntentCreate"} <= names


async def test_every_field_and_parameter_says_what_it_means(document: dict[str, Any]) -> None:
    """And no word is left over of what is gone, or that its declaration says already."""
    silent, fields, asked = [], set(), set()
    for name, schema in document["components"]["schemas"].items():
        for field, part in schema.get("properties", {}).items():
            fields |= {(name, field)}
            silent += [f"{name}.{field}"] * ("description" not in part)
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            for each in (one for one in operation.get("parameters", []) if "name" in one):
                asked |= {each["name"].removesuffix("[]")}
                silent += [f"{method} {path} {each['name']}"] * ("description" not in each)

    assert silent == [], "words.toml lacks them"
    of = {(name, field) for name, table in words()["of"].items() for field in table}
    names = asked | {field for _, field in fields - of}
    assert sorted(of - fields) == []
    assert sorted(words()["any"].keys() - names) == []
    assert sorted(words()["parameters"].keys() - asked) == []


async def test_parameters_that_are_refused_are_documented_as_refused(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]

    assert schemas["PaymentIntentCreate"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["PaymentIntent"]  # answers may grow
    [needed] = schemas["PaymentIntentCreate"]["allOf"]
    either = [each["required"] for each in needed["anyOf"]]
    assert either == [["amount", "currency"], ["quote"]]
    assert schemas["PaymentIntentCreate"]["properties"]["amount"]["type"] == "string"


# Examples that are right and need money, a policy, an address that has cooled off, or a live key.
NEEDS_MORE = {
    "payout_not_allowed",
    "payment_intent_unknown",
    "settlement_destination_in_cooloff",
    "screening_list_livemode",
}


async def test_every_documented_example_is_accepted(market: Shop) -> None:
    """Except where it names what only a person can make, an approver's signature, or a payment that came.

    Those of the sandbox need a chain: tests/entrypoints/api/test_sandbox_refusals.py has one.
    """
    operators = (await market.key(market.operator)).secret
    for operation in OPERATIONS:
        if operation.example and "{" not in operation.path and operation.tag != "test_helpers":
            async with market.client(operators if operation.tag in OPERATORS else None) as client:
                answer = await client.post(
                    operation.path, json=dict(operation.example), headers={"idempotency-key": operation.name}
                )
            code = answer.json().get("error", {}).get("code")
            assert answer.status_code == 200 or code in NEEDS_MORE, answer.text


async def test_the_reference_pages_load_nothing_from_anywhere_else(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/docs/errors"):
        page = await client.get(path)
        assert page.status_code == 200
        assert re.findall(r'(?:src|href)="(?!/|#|data:,")([^"]*)"', page.text) == []
        assert "style=" not in page.text
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "unsafe-inline" not in page.headers["content-security-policy"]
    docs = (await client.get("/docs")).text
    assert [op.name for op in OPERATIONS if f'id="{op.name}"' not in docs] == []
    needed = "Needs <code>amount</code> and <code>currency</code>, or <code>quote</code>"
    assert (docs.count(needed + "."), docs.count(needed + ", or <code>payment_intent</code>.")) == (1, 1)


REJECTIONS = {"Rejected", "NotFound", "Conflict", "Forbidden", "Unauthenticated", "KeyInUse", "KeyReused"}


def test_every_code_that_may_leave_the_api_has_its_sentence() -> None:
    said = set()
    for path in python_files(SRC):
        if path.is_relative_to(SRC / "entrypoints") and not path.is_relative_to(SRC / "entrypoints" / "api"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in REJECTIONS and node.args:
                code = node.args[0]
                if isinstance(code, ast.Constant) and isinstance(code.value, str):
                    said.add(code.value)

    assert len(said) > 30
    assert sorted(said - set(CODES)) == []


async def test_health_needs_no_key_and_readiness_names_halted_networks(
    shop: Shop, client: httpx.AsyncClient
) -> None:
    async with shop.client("") as anybody:
        assert (await anybody.get("/healthz")).json() == {"status": "alive"}
        assert (await anybody.get("/readyz")).json()["status"] == "ready"
        await shop.run(
            "INSERT INTO cursors (chain_id, next_number, last_hash, head_time, finalized_number,"
            " finalized_hash, halted_reason) VALUES (31337, 1, %s, now(), 0, %s, 'a final block is gone')",
            *(bytes(32), bytes(32)),
        )
        halted = await anybody.get("/readyz")
        assert (halted.status_code, halted.json()["halted_networks"]) == (503, ["eip155:31337"])
        networks = {each["network"]: each for each in halted.json()["networks"]}
        assert networks["eip155:31337"]["state"] == "halted"
        assert networks["eip155:31337"]["reason"] == "a final block is gone"


async def test_a_broken_database_is_503_and_says_to_try_again(shop: Shop, client: httpx.AsyncClient) -> None:
    await shop.api.close()

    answer = await client.get("/v1/balance")

    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
    assert answer.headers["retry-after"] == "1"
    assert (await client.get("/readyz")).status_code == 503
