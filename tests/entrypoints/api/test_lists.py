"""Every list takes a page, a cursor either way, a range of times, what to expand; and says what is wrong."""

from __future__ import annotations

from typing import Any, get_args

import httpx

from bascule.entrypoints.api.app import OPERATIONS
from bascule.entrypoints.api.operation import Operation
from bascule.entrypoints.api.params import Created, Listed, Paged
from bascule.entrypoints.api.shape import ListOf, Shape
from tests.entrypoints.api.test_bad_input import OPERATORS
from tests.support.api import Shop
from tests.support.cases import case


def item_of(operation: Operation) -> type[Shape] | None:
    """What the operation lists, if it answers with a list."""
    shape = operation.returns
    if not (isinstance(shape, type) and issubclass(shape, ListOf)):
        return None
    [item] = shape.__pydantic_generic_metadata__["args"]
    return item if isinstance(item, type) else get_args(item)[0]  # type: ignore[no-any-return]


LISTS = [operation for operation in OPERATIONS if operation.reads and item_of(operation) is not None]


def test_every_list_is_declared_with_what_every_list_takes() -> None:
    assert len(LISTS) > 30
    for operation in LISTS:
        item = item_of(operation)
        assert item is not None
        with case(operation.name):
            assert issubclass(operation.params, Paged)
            timed = "created" in item.model_fields
            assert issubclass(operation.params, Listed) == timed, "a range of times where there are times"


async def test_every_list_says_what_is_wrong_with_its_page(shop: Shop, client: httpx.AsyncClient) -> None:
    operators = {"authorization": f"Bearer {(await shop.key(shop.operator)).secret}"}
    wrong: list[tuple[dict[str, Any], int, str]] = [
        ({"expand[]": "nonsense"}, 400, "expand[0]"),
        ({"starting_after": "none_1"}, 404, "starting_after"),
        ({"ending_before": "none_1"}, 404, "ending_before"),
        ({"starting_after": "a", "ending_before": "b"}, 400, "ending_before"),
        ({"created[gte]": "yesterday"}, 400, "created[gte]"),
    ]
    asked = 0
    for operation in LISTS:
        if "{" in operation.path or operation.tag == "test_helpers":
            continue
        for query, status, param in wrong:
            if "created" in param and not issubclass(operation.params, Listed):
                continue
            with case(f"{operation.name} {query}"):
                headers = operators if operation.name in OPERATORS else {}
                answer = await client.get(operation.path, params=query, headers=headers)
                assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
                asked += 1
    assert asked > 100
    ranges = Created(gt=1, lte=3), Created(gte=2, lt=3), Created(gte=3, lte=3), Created()
    assert [[at for at in range(1, 5) if each.holds(at)] for each in ranges] == [
        [2, 3],
        [2],
        [3],
        [1, 2, 3, 4],
    ]


async def test_members_and_endpoints_are_found_by_what_they_are(client: httpx.AsyncClient) -> None:
    for name in ("ada", "bob"):
        await client.post("/v1/members", json={"email": f"{name}@b.c", "roles": ["finance"]})
    one = (await client.post("/v1/webhook_endpoints", json={"url": "https://m.example/"})).json()
    two = (await client.post("/v1/webhook_endpoints", json={"url": "https://n.example/"})).json()
    await client.post(f"/v1/webhook_endpoints/{one['id']}", json={"disabled": True})
    found = (await client.get("/v1/members", params={"email": "ada@b.c"})).json()["data"]
    enabled = (await client.get("/v1/webhook_endpoints", params={"status": "enabled"})).json()["data"]

    assert [member["email"] for member in found] == ["ada@b.c"]
    assert [endpoint["id"] for endpoint in enabled] == [two["id"]]


def test_nobody_changes_what_was_asked() -> None:
    """Who gives no parameters shares one object of them with every account that gives none."""
    assert [each.name for each in OPERATIONS if not each.params.model_config.get("frozen")] == []
