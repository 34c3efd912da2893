"""The OpenAPI 3.1 document, made from the same declarations that route and check requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bascule.domain.versions import API_VERSION
from bascule.entrypoints.api.decode import CSV, FORM, JSON
from bascule.entrypoints.api.effects import Download, Outside, Stream
from bascule.entrypoints.api.openapi_links import links_of
from bascule.entrypoints.api.openapi_words import explained, parameter
from bascule.entrypoints.api.operation import Operation
from bascule.entrypoints.api.params import Params
from bascule.entrypoints.api.problems import MEDIA_TYPE
from bascule.entrypoints.api.shape import Problem

REF = "#/components/schemas/{model}"
NAMES_AN_OBJECT = {
    "starting_after",
    "reissue_of",
    "quote",
    "page",
    "member",
}  # parameters beside the path that may name none
PROBLEMS = {
    400: "A parameter is missing, unknown or wrong; nothing was written.",
    401: "The key is missing, unknown, expired or revoked.",
    403: "The key lacks a scope, which is named.",
    404: "There is no such object, or it is another account's.",
    409: "The object's state does not allow it, or a request with the same key has not ended.",
    413: "The body is longer than 64 KiB, or a file than 4 MiB.",
    415: "The body is neither JSON nor a form.",
    429: "The key, its account or an address without one asks too fast; Retry-After says how long to wait.",
    500: "Our own fault; it has been noted.",
    503: "The system is not ready; send the same request again.",
}
HEADERS = {
    "Request-Id": "The id of the request, for the log and for us.",
    "Bascule-Version": "The dated version the answer is in; a request may name another in the same header.",
    "RateLimit-Policy": "How many requests (q) in how many seconds (w), for each bucket that counts.",
    "RateLimit": "How many requests are left now (r), and in how many seconds the bucket is full again (t).",
    "Retry-After": "How many seconds to wait before the same request is sent again, where that may help.",
}
DESCRIPTION = """\
Money in: a payment intent has an address of its own on every network it accepts; what arrives there is
detected, becomes final, is booked and told. Money out: a payout waits for approvals, is signed by a signer
that obeys only its own roster, and is paid at most once.

Amounts are decimal strings with a point and two to six fraction digits. Bodies are JSON or forms with
brackets. Unknown parameters are refused by name. An `Idempotency-Key` makes any POST safe to repeat. The
header `Bascule-Version` names a dated version other than the one the account is pinned to."""


def document(operations: Sequence[Operation], public_url: str) -> dict[str, Any]:
    """The whole document; deterministic, so that it can be compared with a written copy."""
    names, schemas = _schemas(operations)
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _operation(operation, names, schemas)
        if links := links_of(operation, operations):
            described["responses"]["200"]["links"] = links
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Bascule",
            "version": API_VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": public_url}],
        "security": [{"bearer": []}, {"basic": []}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": _without_null_defaults(paths),
        "components": {
            "schemas": explained(_reachable(paths, schemas)),
            "responses": {str(status): _problem(status, text) for status, text in PROBLEMS.items()},
            "headers": {
                name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()
            },
            "parameters": {
                "IdempotencyKey": _key_parameter(required=False),
                "RequiredIdempotencyKey": _key_parameter(required=True),
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A secret key: sk_test_…"},
                "basic": {"type": "http", "scheme": "basic", "description": "The key as user, no password."},
            },
        },
    }


def _schemas(operations: Sequence[Operation]) -> tuple[dict[Any, str], dict[str, Any]]:
    shapes: dict[tuple[type[BaseModel], Any], None] = {(Problem, "serialization"): None}
    for operation in operations:
        shapes[(operation.params, "validation")] = None
        if not isinstance(operation.effect, Download | Stream):
            shapes[(operation.returns, "serialization")] = None
    refs, definitions = models_json_schema(list(shapes), ref_template=REF)
    schemas: dict[str, Any] = definitions["$defs"]
    names = {shape: str(ref["$ref"]).rsplit("/", 1)[1] for (shape, _), ref in refs.items()}
    for shape, name in names.items():
        if not issubclass(shape, Params):
            _allow_additions(schemas, name)
    return names, schemas


def _allow_additions(schemas: dict[str, Any], name: str) -> None:
    """Answers may grow by fields; clients made from this document must not refuse them."""
    waiting = [name]
    while waiting:
        schema = schemas[waiting.pop()]
        if schema.pop("additionalProperties", None) is False:
            text = repr(schema)
            waiting += [other for other in schemas if f"/{other}'" in text]


def _reachable(paths: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    """The schemas that some path leads to, by name; parameters of queries are written out in their place."""
    found: set[str] = set()
    waiting: list[Any] = [paths, {"$ref": REF.format(model="Problem")}]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting += value
        elif isinstance(value, dict):
            name = str(value.get("$ref", "")).removeprefix("#/components/schemas/")
            if name in schemas and name not in found:
                found.add(name)
                waiting.append(schemas[name])
            waiting += value.values()
    return {name: _without_null_defaults(schemas[name]) for name in sorted(found)}


def _without_null_defaults(value: Any) -> Any:
    """An absent parameter has no default; writing null for it would contradict its type."""
    if isinstance(value, list):
        return [_without_null_defaults(part) for part in value]
    if isinstance(value, dict):
        return {
            name: _without_null_defaults(part)
            for name, part in value.items()
            if not (name == "default" and part is None)
        }
    return value


def _operation(operation: Operation, names: dict[Any, str], schemas: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"{operation.told} Needs the scope `{operation.scope}`.",
        "tags": [operation.tag],
        "parameters": _parameters(operation, schemas[names[operation.params]]),
        "responses": _responses(operation, names),
    }
    if not described["parameters"]:
        del described["parameters"]
    if operation.method == "POST":
        described["requestBody"] = _body(operation, names, schemas)
    return described


def _parameters(operation: Operation, schema: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": part[1:-1], "in": "path", "required": True, "schema": {"type": "string"}}
        | parameter(part[1:-1], {})
        for part in operation.path.split("/")
        if part.startswith("{")
    ]
    if operation.key != "none":
        name = "RequiredIdempotencyKey" if operation.key == "required" else "IdempotencyKey"
        found.append({"$ref": f"#/components/parameters/{name}"})
    if operation.reads:
        found += [_query(name, part) for name, part in schema.get("properties", {}).items()]
    return found


def _query(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    kinds = schema.get("anyOf", [schema])
    given = next(kind for kind in kinds if kind.get("type") != "null")
    described = {"name": name, "in": "query"} | parameter(name, schema)
    if given.get("type") == "array":
        return described | {"name": f"{name}[]", "style": "form", "explode": True, "schema": given}
    if "$ref" in given:
        return described | {"style": "deepObject", "explode": True, "schema": given}
    extras = {key: schema[key] for key in ("default",) if schema.get(key) is not None}
    return described | {"schema": given | extras}


def _body(operation: Operation, names: dict[Any, str], schemas: dict[str, Any]) -> dict[str, Any]:
    name = names[operation.params]
    schema = (
        {"type": "object", "additionalProperties": False}
        if name == "Nothing"
        else {"$ref": REF.format(model=name)}
    )
    media: dict[str, Any] = {"schema": schema}
    if operation.example:
        media["example"] = dict(operation.example)
    if operation.file:
        told = "A file like /v1/payout_batches/template; the other parameters go in the query."
        return {
            "required": True,
            "content": {JSON: media, CSV: {"schema": {"type": "string", "description": told}}},
        }
    required = bool(schemas[name].get("required"))
    return {"required": required, "content": {JSON: media, FORM: {"schema": schema}}}


def _responses(operation: Operation, names: dict[Any, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "200": {
            "description": operation.summary,
            "headers": _headers("Request-Id", "Bascule-Version", "RateLimit-Policy", "RateLimit"),
            "content": _returned(operation, names),
        }
    }
    possible = [400, 401, 403, 429, 500, 503]
    by_id = operation.params.model_fields.keys() & NAMES_AN_OBJECT
    if "{" in operation.path or by_id or isinstance(operation.effect, Outside):
        possible.append(404)
    if operation.conflicts or operation.key != "none":
        possible.append(409)
    if not operation.reads:
        possible += [413, 415]
    for status in sorted(possible):
        found[str(status)] = {"$ref": f"#/components/responses/{status}"}
    return found


def _returned(operation: Operation, names: dict[Any, str]) -> dict[str, Any]:
    if isinstance(operation.effect, Download):
        return {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    if isinstance(operation.effect, Stream):
        return {"text/event-stream": {"schema": {"type": "string"}}}
    return {JSON: {"schema": {"$ref": REF.format(model=names[operation.returns])}}}


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _problem(status: int, description: str) -> dict[str, Any]:
    again = ("Retry-After",) if status in (409, 429, 500, 503) else ()
    return {
        "description": description,
        "headers": _headers("Request-Id", "Bascule-Version", *again),
        "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="Problem")}}},
    }


def _key_parameter(*, required: bool) -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": required,
        "description": "1 to 255 visible ASCII characters; the same key and request give the same answer.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    }
