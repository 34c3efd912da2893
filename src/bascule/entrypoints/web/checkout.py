"""/c/{payment intent or checkout session}: where a customer pays, and the stream that keeps it true."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bascule.domain import ids
from bascule.domain.errors import BasculeError, NotFound
from bascule.domain.ids import Prefix
from bascule.entrypoints.web.checkout_view import revision, view, way_back
from bascule.entrypoints.web.pages import ASSETS, HEADERS, asset, page
from bascule.services import deposits, intents
from bascule.storage import accounts, checkout_sessions, payment_intents

if TYPE_CHECKING:
    from bascule.entrypoints.api.deps import ApiDeps

STREAM_PAUSE_S = 2.0
STREAM_ROUNDS = 900  # half an hour; the browser then asks again


@dataclass(frozen=True, slots=True)
class Shown:
    """An intent, what arrived for it, and who asks for the money. back: where the payer may go from here."""

    intent: dict[str, Any]
    deposits: list[dict[str, Any]]
    merchant: str
    back: str | None


def mount(app: FastAPI, deps: ApiDeps) -> None:
    """Adds the checkout and the files it needs."""

    async def checkout(request: Request) -> Response:
        try:
            shown = await _load(deps, request.path_params["id"])
        except NotFound:
            return page("checkout_missing.html", status=404, private=True)
        except BasculeError:
            return page("checkout_stale.html", status=503, private=True)
        chosen = request.query_params.get("network")
        values = view(shown.intent, shown.deposits, chosen, deps.clock.now())
        return page("checkout.html", private=True, merchant=shown.merchant, back=shown.back, **values)

    async def stream(request: Request) -> Response:
        id = request.path_params["id"]
        try:
            await _load(deps, id)
        except BasculeError:
            return Response(status_code=404, headers=HEADERS)
        headers = HEADERS | {"cache-control": "no-store", "x-accel-buffering": "no"}
        return StreamingResponse(_revisions(deps, id), headers=headers, media_type="text/event-stream")

    app.add_route("/c/{id}", checkout, ["GET"], include_in_schema=False)
    app.add_route("/c/{id}/events", stream, ["GET"], include_in_schema=False)
    for name, media_type in ASSETS.items():
        app.add_route(f"/assets/{name}", _asset(name, media_type), ["GET"], include_in_schema=False)


async def _revisions(deps: ApiDeps, id: str) -> AsyncIterator[bytes]:
    """Says the page's revision whenever it changes; a NOTIFY makes it quick, polling makes it sure."""
    last = None
    for _ in range(STREAM_ROUNDS):
        try:
            shown = await _load(deps, id)
        except BasculeError:
            return
        current = revision(shown.intent, shown.deposits, deps.clock.now())
        yield b": still here\n\n" if current == last else f"data: {current}\n\n".encode()
        last = current
        if shown.intent["status"] in ("succeeded", "canceled"):
            return
        await deps.db.wait_for("bascule_outbox", STREAM_PAUSE_S)


async def _load(deps: ApiDeps, id: str) -> Shown:
    """Raises: NotFound; Retryable when the database does not answer."""
    session = None
    async with deps.db.read() as conn:
        if id.startswith(f"{Prefix.CHECKOUT_SESSION}_"):
            session = await checkout_sessions.get(conn, ids.check(Prefix.CHECKOUT_SESSION, id))
            if session is None:
                raise NotFound("resource_missing", "No such payment.", param="id")
        intent_id = ids.check(Prefix.PAYMENT_INTENT, id if session is None else session.payment_intent_id)
        found = await intents.look(conn, [intent_id])
        if not found:
            raise NotFound("resource_missing", "No such payment.", param="id")
        [(row, intent)] = found
        arrived = await payment_intents.deposits_of(conn, [intent_id])
        account = await accounts.get(conn, row.account_id)
        described = await deposits.describe_many(conn, [deposit.id for deposit in arrived])
    back = None if session is None else way_back(session)
    return Shown(intent, described, "" if account is None else account.name, back)


def _asset(name: str, media_type: str) -> Any:
    async def serve(request: Request) -> Response:
        headers = HEADERS | {"cache-control": "public, max-age=300"}
        return Response(asset(name), media_type=media_type, headers=headers)

    return serve
