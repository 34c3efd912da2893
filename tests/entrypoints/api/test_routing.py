from starlette.routing import Match, Route

from bascule.entrypoints.api.app import OPERATIONS
from bascule.entrypoints.api.routing import Places


async def nothing(request: object) -> None: ...


def routes() -> list[Route]:
    return [Route(each.path, nothing, methods=[each.method], name=each.name) for each in OPERATIONS]


def found(at: Places, method: str, path: str) -> tuple[Match, str | None]:
    match, child = at.matches({"type": "http", "method": method, "path": path, "headers": []})
    return match, child["bascule.route"].name if child else None


def one_after_the_other(routes: list[Route], method: str, path: str) -> tuple[Match, str | None]:
    scope = {"type": "http", "method": method, "path": path, "headers": []}
    for wanted in (Match.FULL, Match.PARTIAL):
        for route in routes:
            if route.matches(scope)[0] is wanted:
                return wanted, route.name
    return Match.NONE, None


def test_every_operation_is_found_as_by_trying_one_after_the_other() -> None:
    every = routes()
    places = Places(every)
    for each in OPERATIONS:
        path = each.path.replace("{", "x_").replace("}", "")
        for method in ("GET", "HEAD", "POST", "DELETE", "PATCH"):
            assert found(places, method, path) == one_after_the_other(every, method, path), (method, path)


def test_what_is_nowhere_is_not_found() -> None:
    places = Places(routes())
    for path in ("", "/", "/v1", "/v1/", "/v1/payment_intents/", "/v1/payment_intents/a/b/c", "//v1", "v1"):
        assert found(places, "GET", path) == one_after_the_other(routes(), "GET", path), path
        assert found(places, "GET", path)[0] is not Match.FULL


def test_what_is_answered_directly_is_what_the_router_would_have_found() -> None:
    every = routes()
    places = Places(every)
    for each in OPERATIONS:
        path = each.path.replace("{", "x_").replace("}", "")
        for method in ("GET", "HEAD", "POST", "DELETE", "PATCH", "OPTIONS"):
            match, child = places.matches({"type": "http", "method": method, "path": path, "headers": []})
            at = places.endpoint(method, path)
            if match is Match.FULL:
                assert at is not None
                assert at[1] == child["path_params"], (method, path)
                assert at[0] is child["endpoint"]
            else:
                assert at is None, (method, path)
    for path in ("", "/", "/v1", "/v1/payment_intents/", "/v1/payment_intents/a/b/c", "//v1", "v1"):
        assert places.endpoint("GET", path) is None
