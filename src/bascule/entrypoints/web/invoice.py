"""/i/{invoice}: a final invoice as a page, which prints as a document; looking at it changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import Response

from bascule.domain import ids
from bascule.domain.errors import BasculeError, NotFound
from bascule.domain.invoice import InvoiceState
from bascule.entrypoints.web.invoice_view import view
from bascule.entrypoints.web.pages import page
from bascule.storage import invoices
from bascule.storage.invoices import InvoiceRow

if TYPE_CHECKING:
    from bascule.entrypoints.api.deps import ApiDeps


def mount(app: FastAPI, deps: ApiDeps) -> None:
    """Adds the page."""

    async def show(request: Request) -> Response:
        try:
            row = await _load(deps, request.path_params["id"])
        except NotFound:
            return page("invoice_missing.html", status=404, private=True)
        except BasculeError:
            return page("checkout_stale.html", status=503, private=True)
        return page("invoice.html", private=True, **view(row, deps.clock.now(), deps.public_url))

    app.add_route("/i/{id}", show, ["GET"], include_in_schema=False)


async def _load(deps: ApiDeps, id: str) -> InvoiceRow:
    """An invoice that has its number: a draft is nobody else's yet. Raises: NotFound; Retryable."""
    ids.check("in", id)
    async with deps.db.read() as conn:
        row = await invoices.get(conn, id)
    if row is None or row.state is InvoiceState.DRAFT or row.number is None:
        raise NotFound("resource_missing", "No such invoice.", param="id")
    return row
