"""Which operation a request means, found by where it asks.

Starlette's router tries one route after the other, which for the last of two hundred cost more than all the
rest of a request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence

from starlette.convertors import StringConvertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Receive, Scope, Send

_FOUND = "bascule.route"
_Place = tuple[int, str]
Endpoint = Callable[[Request], Awaitable[Response]]


class Places(BaseRoute):
    """Many routes as one: only those of as many parts below the same two names are tried, in order."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = routes
        self._at: dict[_Place, list[Route]] = defaultdict(list)
        self._asked: dict[tuple[str, int, str], list[Route]] = defaultdict(list)
        for route in routes:
            place = _place(route.path)
            assert "{" not in place[1], f"{route.path} begins with two names"
            self._at[place].append(route)
            for method in route.methods or ():
                self._asked[method, *place].append(route)
            assert all(isinstance(c, StringConvertor) for c in route.param_convertors.values()), route.path

    def endpoint(self, method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
        """What answers there, and the words in the path; None where Starlette is to say what is wrong."""
        for route in self._asked.get((method, *_place(path)), ()):
            found = route.path_regex.match(path)
            if found is not None:
                return route.endpoint, found.groupdict()
        return None

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
