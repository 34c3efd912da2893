"""The application: operations, pages, health and documents under one roof."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send
from structlog.contextvars import bind_contextvars, reset_contextvars

from bascule.domain.ids import Prefix
from bascule.domain.versions import API_VERSION
from bascule.entrypoints.api import (
    accounts,
    api_keys,
    audit_log,
    balance_settings,
    balance_transactions,
    breaks,
    catalog,
    checkout_sessions,
    cross_origin,
    deposits,
    destinations,
    events,
    floats,
    health,
    invoices,
    mandates,
    members,
    payment_explaining,
    payment_intents,
    payment_publishing,
    payment_times,
    payout_batches,
    payouts,
    policies,
    problems,
    quotes,
    reconciliation_runs,
    reference,
    refunds,
    reporting,
    requests,
    screenings,
    searching,
    settlements,
    test_helpers,
    tracing,
    travel_rule,
    webhook_endpoints,
    x402,
)
from bascule.entrypoints.api.deps import ApiDeps
from bascule.entrypoints.api.operation import Operation, endpoint
from bascule.entrypoints.api.routing import Places
from bascule.entrypoints.web import checkout, claim, invoice
from bascule.services.seams import new_id

# what it would tell, our own log lines and metrics do; only to find that out costs each request
NO_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False)

OPERATIONS: tuple[Operation, ...] = (
    *searching.OPERATIONS,  # before the path that would take its name for an id
    *payment_intents.OPERATIONS,
    *payment_times.OPERATIONS,
    *payment_explaining.OPERATIONS,
    *payment_publishing.OPERATIONS,
    *checkout_sessions.OPERATIONS,
    *quotes.OPERATIONS,
    *invoices.OPERATIONS,
    *deposits.OPERATIONS,
    *x402.OPERATIONS,
    *payouts.OPERATIONS,
    *payout_batches.OPERATIONS,
    *mandates.OPERATIONS,
    *refunds.OPERATIONS,
    *policies.OPERATIONS,
    *destinations.OPERATIONS,
    *catalog.OPERATIONS,
    *balance_transactions.OPERATIONS,
    *balance_settings.OPERATIONS,
    *settlements.OPERATIONS,
    *reporting.OPERATIONS,
    *floats.OPERATIONS,
    *breaks.OPERATIONS,
    *reconciliation_runs.OPERATIONS,
    *screenings.OPERATIONS,
    *travel_rule.OPERATIONS,
    *events.OPERATIONS,
    *webhook_endpoints.OPERATIONS,
    *api_keys.OPERATIONS,
    *accounts.OPERATIONS,
    *members.OPERATIONS,
    *audit_log.OPERATIONS,
    *requests.OPERATIONS,
    *test_helpers.OPERATIONS,
)


def create_app(deps: ApiDeps) -> FastAPI:
    """The API, the checkout pages and their documents; `deps.db` must be open while it serves."""
    routes = [
        *(Route(each.path, endpoint(each, deps), methods=[each.method]) for each in OPERATIONS),
        *(Route(o.path, cross_origin.preflight, methods=["OPTIONS"]) for o in OPERATIONS if o.in_browsers),
    ]
    app = Api(Places(routes), deps)
    health.mount(app, deps)
    reference.mount(app, deps, OPERATIONS)
    checkout.mount(app, deps)
    claim.mount(app, deps)
    invoice.mount(app, deps)
    app.add_exception_handler(HTTPException, _no_such_route(deps.public_url))
    return app


def _no_such_route(public_url: str) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException), "registered for that class alone"
        problem = problems.from_http(error)
        response = problems.respond(problem, request.scope["bascule.request_id"], public_url)
        if error.status_code == 405:
            response.headers["allow"] = ", ".join(_methods_at(request))
        return response

    return answer


def _methods_at(request: Request) -> list[str]:
    """Every method the path knows: each is a route of its own, and the router names those of one alone."""
    routes: list[Route] = []
    for route in request.app.routes:
        routes += route.routes if isinstance(route, Places) else [route] if isinstance(route, Route) else []
    fitting = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in fitting for method in route.methods or ()})


class Api(FastAPI):
    """Gives every request its id and every answer its labels.

    An operation is answered in front of FastAPI's own layers, which are for what operations do not do.
    """

    def __init__(self, places: Places, deps: ApiDeps) -> None:
        super().__init__(
            openapi_url=None, docs_url=None, redoc_url=None, routes=[places], telemetry=NO_TELEMETRY
        )
        self._places = places
        self._deps = deps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI wants it."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request_id = new_id(Prefix.REQUEST, self._deps.clock, self._deps.entropy)
        scope["bascule.request_id"] = request_id
        trace = tracing.trace_id(scope["headers"])
        known = bind_contextvars(request_id=request_id, **({} if trace is None else {"trace_id": trace}))
        try:
            found = self._places.endpoint(scope["method"], scope["path"])
            if found is None:
                await super().__call__(scope, receive, _labelling(scope, send, request_id))
                return
            answer, scope["path_params"] = found
            response = await answer(Request(scope, receive, send))
            response.raw_headers += _labels(scope, request_id)
            await response(scope, receive, send)
        finally:
            reset_contextvars(**known)


def _labelling(scope: Scope, send: Send, request_id: str) -> Send:
    async def labelled(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *_labels(scope, request_id)]
        await send(message)

    return labelled


def _labels(scope: Scope, request_id: str) -> list[tuple[bytes, bytes]]:
    labels = [
        (b"request-id", request_id.encode()),
        (b"bascule-version", scope.get("bascule.version", API_VERSION).encode()),
        (b"x-content-type-options", b"nosniff"),
        *scope.get("bascule.limits", ()),
    ]
    if scope["path"].startswith("/v1/"):
        labels.append((b"cache-control", b"no-store"))
    return labels
