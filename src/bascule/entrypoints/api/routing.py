"""Which operation a request means, found by where it asks.

Starlette's router tries one route after the other, which for the last of two hundred cost more than all the
rest of a request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

_FOUND = "bascule.route"
_Place = tuple[int, str]


class Places(BaseRoute):
    """Many routes as one: only those of as many parts below the same two names are tried, in order."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = routes
        self._at: dict[_Place, list[Route]] = defaultdict(list)
        for route in routes:
            place = _place(route.path)
            assert "{" not in place[1], f"{route.path} begins with two names"
            self._at[place].append(route)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """The first route for path and method; else the first for the path."""
        partly: tuple[Match, Scope] = Match.NONE, {}
        if scope["type"] != "http":
            return partly
        for route in self._at.get(_place(scope["path"]), ()):
            match, child = route.matches(scope)
            if match is Match.FULL:
                return match, {**child, _FOUND: route}
            if match is Match.PARTIAL and partly[0] is Match.NONE:
                partly = match, {**child, _FOUND: route}
        return partly

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Lets the route that was found answer."""
        await scope[_FOUND].handle(scope, receive, send)


def _place(path: str) -> _Place:
    parts = path.split("/", 3)
    return path.count("/"), "/".join(parts[:3])
