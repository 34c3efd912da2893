"""The documents: /openapi.json made from the operations themselves, and pages that need nothing but us."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from bascule.entrypoints.api.codes import CODES
from bascule.entrypoints.api.deps import ApiDeps
from bascule.entrypoints.api.openapi import document
from bascule.entrypoints.api.operation import Operation
from bascule.entrypoints.api.remedies import remedy
from bascule.entrypoints.web.pages import page


def mount(app: FastAPI, deps: ApiDeps, operations: Sequence[Operation]) -> None:
    """Adds /openapi.json, /docs and /docs/errors. The document is made when it is first asked for (0.1 s)."""

    @cache
    def described() -> dict[str, Any]:
        return document(operations, deps.public_url)

    app.openapi = described  # type: ignore[method-assign]

    async def serve_openapi(request: Request) -> Response:
        written = orjson.dumps(described(), option=orjson.OPT_INDENT_2)
        return Response(written, media_type="application/json", headers={"access-control-allow-origin": "*"})

    async def serve_docs(request: Request) -> Response:
        return page("reference.html", document=described(), sections=_sections(described()))

    async def serve_errors(request: Request) -> Response:
        return page("errors.html", codes=CODES, remedy=remedy)

    app.add_route("/openapi.json", serve_openapi, ["GET"], include_in_schema=False)
    app.add_route("/docs", serve_docs, ["GET"], include_in_schema=False)
    app.add_route("/docs/errors", serve_errors, ["GET"], include_in_schema=False)


def _sections(described: dict[str, Any]) -> list[tuple[str, list[tuple[str, str, dict[str, Any]]]]]:
    """The operations of each tag, as people look for them: all objects, one object, what is done with it."""
    found: dict[str, list[tuple[str, str, dict[str, Any]]]] = {tag["name"]: [] for tag in described["tags"]}
    for path, methods in sorted(described["paths"].items(), key=lambda item: _place(item[0])):
        for method, operation in methods.items():
            found[operation["tags"][0]].append((path, method, operation))
    return list(found.items())


def _place(path: str) -> tuple[int, bool]:
    return path.count("/"), not path.endswith("}")
