"""/healthz: the process answers. /readyz: it can do its work."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from bascule.domain.chain import caip2
from bascule.domain.errors import BasculeError
from bascule.entrypoints.api.deps import ApiDeps
from bascule.storage import health


def mount(app: FastAPI, deps: ApiDeps) -> None:
    """Adds both paths; neither needs a key nor says anything secret."""

    async def healthz(request: Request) -> Response:
        return _json(200, {"status": "alive"})

    async def readyz(request: Request) -> Response:
        try:
            async with deps.db.read() as conn:
                why = await health.halted_chains(conn)
        except BasculeError:
            return _json(503, {"status": "not_ready", "database": "not_answering", "halted_networks": []})
        halted = {caip2(chain_id): reason for chain_id, reason in why.items()}
        status, code = ("halted", 503) if halted else ("ready", 200)
        said = {"status": status, "database": "ok", "halted_networks": list(halted), "reasons": halted}
        return _json(code, said)

    app.add_route("/healthz", healthz, ["GET"], include_in_schema=False)
    app.add_route("/readyz", readyz, ["GET"], include_in_schema=False)


def _json(status: int, value: dict[str, Any]) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
