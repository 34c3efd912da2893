"""The list envelope: pages of ids become pages of objects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Table

from bascule.domain.chain import caip2
from bascule.domain.errors import NotFound, Rejected
from bascule.entrypoints.api.operation import Call
from bascule.entrypoints.api.params import Listed, Paged
from bascule.storage import listing, networks
from bascule.storage.database import Connection
from bascule.storage.listing import Wanted

P = TypeVar("P", bound=Listed)
Describe = Callable[[Connection, Sequence[str]], Awaitable[list[dict[str, Any]]]]
BOTH_CURSORS = "Give starting_after or ending_before, not both."
Condition = ColumnElement[bool]


async def answer(
    call: Call[P],
    conn: Connection,
    table: Table,
    describe: Describe,
    *,
    scope: Sequence[Condition] | None = None,
    filters: Sequence[Condition] = (),
) -> dict[str, Any]:
    """A page of what the caller owns in `table`, narrowed by `filters`, newest first."""
    mine = (
        [table.c.account_id == call.account_id, table.c.livemode == call.livemode] if scope is None else scope
    )
    page = await listing.page(conn, table, mine, filters, wanted(call.params))
    return envelope(call, await describe(conn, page.ids), more=page.has_more)


def wanted(params: Listed) -> Wanted:
    """The page that the parameters ask for."""
    created = {} if params.created is None else params.created.model_dump(exclude_none=True)
    return Wanted(params.limit, params.starting_after, params.ending_before, created)


def envelope(call: Call[Any], data: Sequence[dict[str, Any]], *, more: bool) -> dict[str, Any]:
    """The list object."""
    return {"object": "list", "url": call.url_path, "has_more": more, "data": data}


def part(call: Call[Any], every: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A page of a list that is short enough to be at hand whole, and of which nothing expands.

    Raises: NotFound, Rejected.
    """
    params: Paged = call.params
    expanding(params, frozenset())
    require_one_cursor(params)
    if isinstance(params, Listed) and params.created is not None:
        every = [shown for shown in every if params.created.holds(shown["created"])]
    places = {str(shown["id"]): place for place, shown in enumerate(every)}
    for name in ("starting_after", "ending_before"):
        cursor = getattr(params, name)
        if cursor is not None and cursor not in places:
            raise NotFound(
                "resource_missing", f"The list has nothing with the id {cursor!r:.70}.", param=name
            )
    if params.ending_before is not None:
        end = places[params.ending_before]
        start = max(0, end - params.limit)
        return envelope(call, every[start:end], more=start > 0)
    start = 0 if params.starting_after is None else places[params.starting_after] + 1
    end = start + params.limit
    return envelope(call, every[start:end], more=end < len(every))


def require_one_cursor(params: Paged) -> None:
    """Raises: Rejected when a page is asked for from both its ends."""
    if params.starting_after is not None and params.ending_before is not None:
        raise Rejected("parameter_invalid", BOTH_CURSORS, param="ending_before")


def exact(table: Table, **values: object) -> list[Condition]:
    """Exact filters for those values that were given."""
    return [table.c[name] == value for name, value in values.items() if value is not None]


async def chain_of(conn: Connection, text: str | None) -> int | None:
    """The chain id of a network given by alias or CAIP-2 name. Raises: Rejected `network_unknown`."""
    if text is None:
        return None
    for network in await networks.every(conn):
        if text in (network.name, caip2(network.chain_id)):
            return network.chain_id
    raise Rejected("network_unknown", f"No such network: {text!r:.70}.", param="network")


def expanding(params: Any, known: frozenset[str], *, prefix: str = "") -> frozenset[str]:
    """The names to expand. Raises: Rejected when one cannot be."""
    for place, name in enumerate(params.expand):
        if not name.startswith(prefix) or name.removeprefix(prefix) not in known:
            raise Rejected("parameter_invalid", f"{name!r:.70} cannot be expanded.", param=f"expand.{place}")
    return frozenset(name.removeprefix(prefix) for name in params.expand)
