"""Dated versions of the API: what a request means. The account is pinned to one, a header says another."""

from __future__ import annotations

from starlette.requests import Request

from bascule.domain.errors import Rejected
from bascule.domain.webhook import VERSIONS

NEWEST = VERSIONS[-1]
HEADER = "bascule-version"


def of(request: Request, pinned: str) -> str:
    """The version that the request is meant in. Raises: Rejected `version_unknown`."""
    asked = request.headers.get(HEADER)
    return pinned if asked is None else require(asked, param="Bascule-Version")


def require(version: str, *, param: str) -> str:
    """`version` itself when it is spoken. Raises: Rejected `version_unknown`, with those that are."""
    if version not in VERSIONS:
        raise Rejected(
            "version_unknown",
            f"There is no version {version!r:.40}.",
            param=param,
            next_step=f"Name one of {', '.join(VERSIONS)}, or none.",
        )
    return version
