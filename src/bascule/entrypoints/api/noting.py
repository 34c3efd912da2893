"""What a request leaves behind once it is answered: seconds in the metrics, a line in the account's log.

A line says how the request ended, and nothing of its query, body or headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from bascule.entrypoints.api.auth import Caller
from bascule.entrypoints.api.deps import ApiDeps
from bascule.services.requests import shown_path
from bascule.storage.requests import Line

if TYPE_CHECKING:
    from bascule.entrypoints.api.operation import Operation

_REPLAYED = "idempotent-replayed"  # the field of an answer that was given before
_REPLAY = "bascule.replay"
_CALLER = "bascule.caller"


def known(request: Request, caller: Caller) -> None:
    """Says who asks; a request nobody is known to have made leaves no line."""
    request.scope[_CALLER] = caller


def replayed(request: Request, version: str) -> dict[str, str]:
    """Says that the answer was given before, in that version; the header that tells the client."""
    request.scope[_REPLAY], request.scope["bascule.version"] = True, version
    return {_REPLAYED: "true"}


def note(
    deps: ApiDeps,
    operation: Operation,
    request: Request,
    response: Response,
    code: str | None,
    seconds: float,
) -> None:
    """Leaves what there is to leave. code: of the error that was met; seconds: until the answer was known."""
    if deps.answered is not None:
        labels = operation.method, operation.path, str(response.status_code)
        deps.answered.labels(*labels).observe(seconds)
    caller: Caller | None = request.scope.get(_CALLER)
    if caller is None or not operation.logged:
        return
    deps.requests.note(
        Line(
            id=request.scope["bascule.request_id"],
            account_id=caller.account_id,
            livemode=caller.livemode,
            api_key_id=caller.key_id,
            method=request.method,
            path=shown_path(request.scope["path"]),
            status=response.status_code,
            error_code=code,
            replayed=_REPLAY in request.scope,
            duration_ms=round(seconds * 1000),
        )
    )
