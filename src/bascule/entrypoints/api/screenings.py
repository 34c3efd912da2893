"""/v1/screenings and /v1/screening_lists: whose money is held, and what the compliance role says of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from bascule.domain.errors import Forbidden, NotFound
from bascule.entrypoints.api import lists
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.operator import require_operator
from bascule.entrypoints.api.params import Expandable, Id, Listed, Params, Text200, Text1000
from bascule.entrypoints.api.shape import AddressOut, Atomic, Caip2, HashOut, ListOf, Seconds, Shape
from bascule.services.compliance import Compliance
from bascule.services.screening_view import describe, shown_list
from bascule.storage import networks, screening_lists, screenings
from bascule.storage.database import Connection
from bascule.storage.listing import SCREENINGS

WHOSE = "Whose money is held is for the operator's compliance role."
ScreeningStatus = Literal["open", "released", "rejected"]


class ScreeningList(Listed):
    """Filters of screenings."""

    status: ScreeningStatus | None = None
    deposit: Id | None = None
    payout: Id | None = None


class ScreeningDecision(Params):
    """Why it is decided so; kept for ever."""

    reason: Text1000


class ScreeningListCreate(Params):
    """A sanctions list as a CSV file with the columns `address` and, if wanted, `reference`."""

    name: Text200
    csv: str
    may_shrink: bool = Field(default=False, description="More than a tenth of the addresses may go off it.")
    dry_run: bool = False


class Screening(Shape):
    """A deposit or a payout whose other side stands on a list."""

    id: str
    object: Literal["screening"]
    status: ScreeningStatus
    account: str
    deposit: str | None
    payout: str | None
    subject_status: str = Field(description="Of the deposit or payout.")
    address: AddressOut
    list: str = Field(description="Name and version of the list it was found on.")
    reference: str
    network: Caip2
    token: str | None
    currency: str | None
    amount: str | None
    amount_atomic: Atomic
    next_step: str | None
    decided_by: str | None
    reason: str | None
    livemode: bool
    created: Seconds
    decided_at: Seconds | None


class ScreeningListVersion(Shape):
    """A list as it was imported. digest: SHA-256 of the file."""

    id: str
    object: Literal["screening_list"]
    name: str
    version: int
    digest: HashOut
    entries: int
    added: int
    removed: int
    imported_by: str
    created: Seconds
    rescreened_at: Seconds | None = Field(description="When what waited was held against it.")


async def list_all(call: Call[ScreeningList], conn: Connection) -> dict[str, Any]:
    """Screenings of the caller's mode."""
    params = call.params
    lists.expanding(params, frozenset())
    await require_operator(call, conn, WHOSE)
    filters = lists.exact(SCREENINGS, state=params.status, deposit_id=params.deposit, payout_id=params.payout)
    mine = [SCREENINGS.c.livemode == call.livemode]

    async def described(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
        return await describe(conn, ids)

    return await lists.answer(call, conn, SCREENINGS, described, scope=mine, filters=filters)


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One screening."""
    lists.expanding(call.params, frozenset())
    await require_operator(call, conn, WHOSE)
    row = await screenings.get(conn, call.id("scr"))
    if row is None or row.livemode != call.livemode:
        raise NotFound("resource_missing", "No such screening.", param="id")
    [shown] = await describe(conn, [row.id])
    return shown


async def release(call: Call[ScreeningDecision], conn: Connection) -> dict[str, Any]:
    """Lets what is held go on, as if nothing had been."""
    await require_operator(call, conn, WHOSE)
    return await _compliance(call).release(
        conn, call.id("scr"), reason=call.params.reason, actor=call.caller.key_id, livemode=call.livemode,
        context=call.context,
    )  # fmt: skip


async def reject(call: Call[ScreeningDecision], conn: Connection) -> dict[str, Any]:
    """Holds a deposit for good; ends a payout that was not sent."""
    await require_operator(call, conn, WHOSE)
    return await _compliance(call).reject(
        conn, call.id("scr"), reason=call.params.reason, actor=call.caller.key_id, livemode=call.livemode,
        context=call.context,
    )  # fmt: skip


async def list_versions(call: Call[Listed], conn: Connection) -> dict[str, Any]:
    """Every version of every list, the one in force first."""
    await require_operator(call, conn, WHOSE)
    return lists.part(call, [shown_list(each) for each in await screening_lists.every(conn)])


async def import_list(call: Call[ScreeningListCreate], conn: Connection) -> dict[str, Any]:
    """A new version of a list, in force at once for both modes; a dry run says what it would change."""
    await require_operator(call, conn, WHOSE)
    params = call.params
    if not call.livemode and not params.dry_run:
        await _require_no_live_money(conn)
    return await _compliance(call).import_list(
        conn, params.name, params.csv, actor=call.caller.key_id, may_shrink=params.may_shrink,
        dry_run=params.dry_run, context=call.context,
    )  # fmt: skip


async def _require_no_live_money(conn: Connection) -> None:
    """A list holds live money as it holds test money. Raises: Forbidden while any network is live."""
    if any(network.livemode for network in await networks.every(conn)):
        raise Forbidden(
            "screening_list_livemode",
            "A list holds live money too, so a test key does not change it where a network is live.",
            next_step="Import it with the operator's live key.",
        )


def _compliance(call: Call[Any]) -> Compliance:
    return Compliance(call.deps.clock, call.deps.outbox)


_PATH, _LISTS = "/v1/screenings", "/v1/screening_lists"
_READ, _WRITE = "screenings:read", "screenings:write"
_REASON = {"reason": "Another one's address: case 2026-114."}
_FILE = {"name": "ofac", "csv": "address,reference\n0x70997970C51812dc3A010C7d01b50e0d17dc79C8,SDN 12345\n"}
OPERATIONS = (
    Operation(
        "GET", _PATH, "list_screenings", "List screenings", _READ, list_all, ScreeningList,
        ListOf[Screening],
    ),
    Operation(
        "GET", f"{_PATH}/{{id}}", "get_screening", "Read a screening", _READ, retrieve, Expandable,
        Screening,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/release", "release_screening", "Let held money go on", _WRITE, release,
        ScreeningDecision, Screening, "optional", conflicts=True, example=_REASON,
    ),
    Operation(
        "POST", f"{_PATH}/{{id}}/reject", "reject_screening", "Hold money for good", _WRITE, reject,
        ScreeningDecision, Screening, "optional", conflicts=True, example=_REASON,
    ),
    Operation(
        "GET", _LISTS, "list_screening_lists", "List sanctions lists", _READ, list_versions, Listed,
        ListOf[ScreeningListVersion],
    ),
    Operation(
        "POST", _LISTS, "import_screening_list", "Import a sanctions list", _WRITE, import_list,
        ScreeningListCreate, ScreeningListVersion, "optional", conflicts=True, file=True, example=_FILE,
    ),
)  # fmt: skip
