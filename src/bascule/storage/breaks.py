"""Rows of breaks: opened once, seen again, ended once, never deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from bascule.domain.breaks import BreakState
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("breaks")


@dataclass(frozen=True, slots=True)
class Break:
    """One contradiction. amount: base units of its token, chain minus books where these two differ."""

    id: str
    type: str
    subject: str
    chain_id: int | None
    token_id: str | None
    livemode: bool | None
    amount: int | None
    freezes: bool
    state: BreakState
    evidence: Mapping[str, Any]
    opened_at: datetime
    seen_at: datetime
    resolved_at: datetime | None
    resolution: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Found:
    """What a look has found, to be noted as a break. livemode: None where it is of the whole installation."""

    type: str
    subject: str
    evidence: Mapping[str, Any]
    chain_id: int | None = None
    token_id: str | None = None
    livemode: bool | None = None
    amount: int | None = None
    freezes: bool = False


async def open(conn: Connection, break_id: str, found: Found, at: datetime) -> tuple[Break, bool]:
    """The open break of this type and subject, and whether it is new: it has the id given then."""
    values = {each.name: getattr(found, each.name) for each in fields(Found)}
    values["evidence"] = Jsonb(dict(found.evidence))
    row = await _Q.one(conn, "open", id=break_id, at=at, **values)
    opened: bool = row.pop("opened")
    return _break(row), opened


async def advance(
    conn: Connection, break_id: str, resolution: Mapping[str, Any], at: datetime
) -> Break | None:
    """Ends an open break; None when it is not open."""
    row = await _Q.maybe(conn, "advance", id=break_id, resolution=Jsonb(dict(resolution)), at=at)
    return None if row is None else _break(row)


async def get(conn: Connection, break_id: str) -> Break | None:
    """One break."""
    row = await _Q.maybe(conn, "get", id=break_id)
    return None if row is None else _break(row)


async def lock(conn: Connection, break_id: str) -> Break | None:
    """One break, which nobody else ends while the caller's transaction lasts."""
    row = await _Q.maybe(conn, "lock", id=break_id)
    return None if row is None else _break(row)


async def several(conn: Connection, ids: Sequence[str]) -> list[Break]:
    """These breaks, in the order of their ids as given."""
    found = {row["id"]: _break(row) for row in await _Q.all(conn, "several", ids=list(ids))}
    return [found[id] for id in ids]


async def open_now(conn: Connection) -> list[Break]:
    """What does not add up now, the oldest first."""
    return [_break(row) for row in await _Q.all(conn, "open_now")]


async def open_of(conn: Connection, type: str, subject: str) -> Break | None:
    """The open break of this type and subject."""
    row = await _Q.maybe(conn, "open_of", type=type, subject=subject)
    return None if row is None else _break(row)


async def explained(conn: Connection, type: str, subject: str, amount: int) -> bool:
    """Whether a person has explained just this difference, and no comparison was even since."""
    return bool(await _Q.scalar(conn, "explained", type=type, subject=subject, amount=amount))


async def explained_amount(conn: Connection, type: str, subject: str) -> int:
    """How much of a subject's differences people have explained, all of them together."""
    return int(await _Q.scalar(conn, "explained_amount", type=type, subject=subject))


async def lost_request_resolved(conn: Connection, tag: bytes) -> bool:
    """Whether a person has dealt with a payment that a restored database had no request of."""
    return bool(await _Q.scalar(conn, "lost_request_resolved", tag="0x" + tag.hex()))


async def unexplained(conn: Connection, found: Sequence[Found]) -> list[Found]:
    """Those that no person has explained just as they are found: of this amount, with this evidence."""
    rows = await _Q.all(
        conn,
        "explained_as_found",
        types=[each.type for each in found],
        subjects=[each.subject for each in found],
        amounts=[each.amount for each in found],
        evidence=[Jsonb(dict(each.evidence)) for each in found],
    )
    known = {row["place"] for row in rows}
    return [each for place, each in enumerate(found, 1) if place not in known]


def _break(row: Row) -> Break:
    amount = row["amount"]
    return Break(
        **{**row, "state": BreakState(row["state"]), "amount": None if amount is None else int(amount)}
    )
