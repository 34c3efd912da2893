"""/healthz: the process answers. /readyz: it can do its work."""

from __future__ import annotations

from typing import Any

import orjson
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from bascule.entrypoints.api.deps import ApiDeps
from bascule.entrypoints.readiness import readiness


def mount(app: FastAPI, deps: ApiDeps) -> None:
    """Adds both paths; neither needs a key nor says anything secret."""

    async def healthz(request: Request) -> Response:
        return _json(200, {"status": "alive"})

    async def readyz(request: Request) -> Response:
        return _json(*await readiness(deps.db, deps.clock, deps.ready_lag_s))

    app.add_route("/healthz", healthz, ["GET"], include_in_schema=False)
    app.add_route("/readyz", readyz, ["GET"], include_in_schema=False)


def _json(status: int, value: dict[str, Any]) -> Response:
    return Response(orjson.dumps(value), status, media_type="application/json")
