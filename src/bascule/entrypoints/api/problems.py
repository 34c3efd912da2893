"""Errors as the world sees them: the one table from an error to a status and a body.

The body is RFC 9457 (`application/problem+json`) and carries Stripe's `{"error": {…}}` in it, so that
clients of either habit read it. Validation is 400, never 422.
"""

from __future__ import annotations

from typing import Any

import orjson
import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response

from bascule.domain.errors import Conflict, Forbidden, Halted, NotFound, Rejected, Retryable
from bascule.entrypoints.api.codes import CODES

_log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"
DOCS = "/docs/errors#"


class Unauthenticated(Rejected):
    """We do not know who asks."""


class BodyTooLarge(Rejected):
    """The body is longer than we read."""


class HungUp(Rejected):
    """The connection ended before the body did: nobody reads the answer, and nothing of ours went wrong."""


class UnsupportedMedia(Rejected):
    """The body is in a form we do not read."""


class MethodNotAllowed(Rejected):
    """The path exists, the method on it does not."""


class TooManyRequests(Rejected):
    """Somebody asks too fast. wait_s: until one more is taken; fields: headers that say what is left."""

    def __init__(self, bucket: str, wait_s: int, fields: list[tuple[bytes, bytes]]) -> None:
        super().__init__(
            "rate_limited",
            f"Too many requests; the limit of this {bucket} is reached.",
            next_step=f"Wait {wait_s} s, as Retry-After says, and send the same request again.",
        )
        self.wait_s = wait_s
        self.fields = fields


class KeyInUse(Conflict):
    """A request with the same idempotency key has not ended."""


class KeyReused(Rejected):
    """The idempotency key belongs to another request."""


# The first class that fits decides: status, Stripe's type, whether the same request may succeed later.
TABLE: tuple[tuple[type[Exception], int, str, bool], ...] = (
    (Unauthenticated, 401, "authentication_error", False),
    (BodyTooLarge, 413, "invalid_request_error", False),
    (HungUp, 499, "invalid_request_error", True),  # nginx's number for it: the log and the metrics show it
    (UnsupportedMedia, 415, "invalid_request_error", False),
    (TooManyRequests, 429, "rate_limit_error", True),
    (MethodNotAllowed, 405, "invalid_request_error", False),
    (KeyInUse, 409, "idempotency_error", True),
    (KeyReused, 400, "idempotency_error", False),
    (Forbidden, 403, "permission_error", False),
    (NotFound, 404, "invalid_request_error", False),
    (Conflict, 409, "conflict_error", False),
    (Rejected, 400, "invalid_request_error", False),
    (Retryable, 503, "api_error", True),
    (Halted, 500, "api_error", False),
    (Exception, 500, "api_error", True),
)


def respond(error: Exception, request_id: str, public_url: str) -> Response:
    """The answer to a request that met this error; what we did wrong ourselves is logged, never shown.

    public_url: where the pages about errors are, so that a link in a log or a trace leads somewhere.
    """
    status, kind, again = next(row[1:] for row in TABLE if isinstance(error, row[0]))
    code = code_of(error)
    if isinstance(error, Rejected):
        message, param, next_step = error.message, error.param, error.next_step
    elif isinstance(error, Retryable):
        _log.warning("a request found the system not ready", request_id=request_id, error=str(error))
        message, param = "The system is not ready; try again.", None
        next_step = "Send the same request with the same Idempotency-Key again."
    else:
        _log.error("a request failed by our own fault", request_id=request_id, exc_info=error)
        message, param = "Something went wrong on our side; it has been noted.", None
        next_step = "Send the same request with the same Idempotency-Key again, or tell us the request id."
    headers = {"x-should-retry": str(again).lower(), "stripe-should-retry": str(again).lower()}
    if again:
        headers["retry-after"] = str(error.wait_s if isinstance(error, TooManyRequests) else 1)
    if status == 401:
        headers["www-authenticate"] = 'Bearer realm="bascule"'
    url = f"{public_url}{DOCS}{code}"
    content = body(status, kind, code, message, bracketed(param), next_step, request_id, url)
    return Response(content, status, headers, MEDIA_TYPE)


def code_of(error: Exception) -> str:
    """The code that the world is told."""
    if isinstance(error, Rejected):
        return error.code
    return "not_ready" if isinstance(error, Retryable) else "internal_error"


def from_http(error: HTTPException) -> Rejected:
    """What the router says, in our words."""
    if error.status_code == 405:
        return MethodNotAllowed("method_not_allowed", "This path does not know this method.")
    return NotFound("route_unknown", "There is nothing at this path.", next_step="See /docs for all paths.")


def body(
    status: int,
    kind: str,
    code: str,
    message: str,
    param: str | None,
    next_step: str | None,
    request_id: str,
    url: str,
) -> bytes:
    """The JSON of one problem. url: the page about its code."""
    problem: dict[str, Any] = {
        "type": url,
        "title": CODES.get(code, code.replace("_", " ").capitalize()),
        "status": status,
        "detail": message,
        "instance": f"/v1/requests/{request_id}",
        "error": {
            "type": kind,
            "code": code,
            "message": message,
            "param": param,
            "doc_url": url,
            "request_id": request_id,
            "next_step": next_step,
        },
    }
    return orjson.dumps(problem)


def bracketed(param: str | None) -> str | None:
    """`policy.late` as clients write it in forms: `policy[late]`."""
    if param is None or "." not in param:
        return param
    first, *rest = param.split(".")
    return first + "".join(f"[{name}]" for name in rest)
