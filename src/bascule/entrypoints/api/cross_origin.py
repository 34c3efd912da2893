"""What pages of other origins may ask for: what a publishable key may read, without cookies; nothing else.

Everything else has none of these headers, so that no browser lets a page use a secret key here.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

# Any origin: a publishable key is no secret, and no cookie or address opens more than it does.
ANSWERED: Final = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": "Request-Id, Bascule-Version, RateLimit, RateLimit-Policy, Retry-After",
}
_ASKED_BEFORE: Final = ANSWERED | {
    "access-control-allow-methods": "GET",
    "access-control-allow-headers": "Authorization, Bascule-Version",
    "access-control-max-age": "86400",
}


async def preflight(request: Request) -> Response:
    """The answer to a browser that asks before it asks."""
    return Response(status_code=204, headers=_ASKED_BEFORE)
