"""Dated versions of the API: what a request means. The account is pinned to one, a header says another."""

from __future__ import annotations

from starlette.requests import Request

from bascule.domain.errors import Rejected
from bascule.domain.versions import Versions

HEADER = "bascule-version"


def of(request: Request, pinned: str, versions: Versions) -> str:
    """The version that the request is meant in. Raises: Rejected `version_unknown`."""
    asked = request.headers.get(HEADER)
    return pinned if asked is None else require(asked, versions, param="Bascule-Version")


def require(version: str, versions: Versions, *, param: str) -> str:
    """`version` itself when it is spoken. Raises: Rejected `version_unknown`, with those that are."""
    if version not in versions.dates:
        raise Rejected(
            "version_unknown",
            f"There is no version {version!r:.40}.",
            param=param,
            next_step=f"Name one of {', '.join(versions.dates)}, or none.",
        )
    return version
