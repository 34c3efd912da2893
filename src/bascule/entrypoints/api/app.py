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
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from bascule.domain.ids import Prefix
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
    versions,
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
    app = FastAPI(
        openapi_url=None, docs_url=None, redoc_url=None, routes=[Places(routes)], telemetry=NO_TELEMETRY
    )
    health.mount(app, deps)
    reference.mount(app, deps, OPERATIONS)
    checkout.mount(app, deps)
    claim.mount(app, deps)
    invoice.mount(app, deps)
    app.add_exception_handler(HTTPException, _no_such_route(deps.public_url))
    app.add_middleware(Labels, deps=deps)
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


class Labels:
    """Gives every request its id and every answer its labels."""

    def __init__(self, app: ASGIApp, deps: ApiDeps) -> None:
        self._app = app
        self._deps = deps

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = new_id(Prefix.REQUEST, self._deps.clock, self._deps.entropy)
        scope["bascule.request_id"] = request_id

        async def labelled(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", []), *_labels(scope, request_id)]
            await send(message)

        known = {"request_id": request_id, "trace_id": tracing.trace_id(scope["headers"])}
        with bound_contextvars(**{name: value for name, value in known.items() if value is not None}):
            await self._app(scope, receive, labelled)


def _labels(scope: Scope, request_id: str) -> list[tuple[bytes, bytes]]:
    labels = [
        (b"request-id", request_id.encode()),
        (b"bascule-version", scope.get("bascule.version", versions.NEWEST).encode()),
        (b"x-content-type-options", b"nosniff"),
        *scope.get("bascule.limits", ()),
    ]
    if scope["path"].startswith("/v1/"):
        labels.append((b"cache-control", b"no-store"))
    return labels
