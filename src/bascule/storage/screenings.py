"""Screenings: what is held because its other side stands on a list, and what was decided about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bascule.domain.chain import Address
from bascule.domain.errors import Halted
from bascule.domain.screening import SCREENING, ScreeningEvent, ScreeningState
from bascule.storage.arrays import bytes_, numbers, texts, truths
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("screenings")


@dataclass(frozen=True, slots=True)
class Hit:
    """Somebody on a list: of a deposit its sender, of a payout its destination."""

    deposit_id: str | None
    payout_id: str | None
    account_id: str
    livemode: bool
    address: Address
    list: str
    version: int
    reference: str


@dataclass(frozen=True, slots=True)
class Screening:
    """A hit that holds something until it is decided."""

    id: str
    account_id: str
    livemode: bool
    deposit_id: str | None
    payout_id: str | None
    address: Address
    list: str
    version: int
    reference: str
    state: ScreeningState
    created_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Subject:
    """A screening with what is shown of what it holds. amount: base units of its token."""

    screening: Screening
    chain_id: int
    token_id: str | None
    currency: str | None
    decimals: int | None
    amount: int
    subject_state: str


async def hits_of_deposits(conn: Connection, ids: Sequence[str]) -> list[Hit]:
    """Of these deposits those whose sender stands on a list, and that nothing holds for it yet."""
    return [_hit(row) for row in await _Q.all(conn, "hits_of_deposits", ids=texts(ids))]


async def hits_of_payouts(conn: Connection, ids: Sequence[str]) -> list[Hit]:
    """The same of payouts that can still be stopped, by their destinations."""
    return [_hit(row) for row in await _Q.all(conn, "hits_of_payouts", ids=texts(ids))]


async def waiting_deposits(conn: Connection, limit: int) -> list[str]:
    """Deposits nobody is credited with whose sender is listed by now; locked until the transaction ends."""
    return [row["id"] for row in await _Q.all(conn, "waiting_deposits", limit=limit)]


async def waiting_payouts(conn: Connection, limit: int) -> list[str]:
    """Payouts that can be stopped whose destination is listed by now; locked until the transaction ends."""
    return [row["id"] for row in await _Q.all(conn, "waiting_payouts", limit=limit)]


async def insert(conn: Connection, ids: Sequence[str], hits: Sequence[Hit], now: datetime) -> None:
    """Holds what was found, each under its id."""
    await _Q.run(
        conn,
        "insert",
        ids=texts(ids),
        account_ids=texts(each.account_id for each in hits),
        livemodes=truths(each.livemode for each in hits),
        deposit_ids=texts(each.deposit_id for each in hits),
        payout_ids=texts(each.payout_id for each in hits),
        addresses=bytes_(each.address for each in hits),
        lists=texts(each.list for each in hits),
        versions=numbers(each.version for each in hits),
        references=texts(each.reference for each in hits),
        now=now,
    )


async def advance(
    conn: Connection, screening: Screening, event: ScreeningEvent, *, at: datetime, by: str, reason: str
) -> Screening:
    """The screening as it was decided. Raises: TransitionRefused; Halted when it was not as read."""
    row = await _Q.maybe(
        conn,
        "advance",
        id=screening.id,
        from_=screening.state,
        to=SCREENING.step(screening.state, event),
        at=at,
        by=by,
        reason=reason,
    )
    if row is None:
        raise Halted(f"screening {screening.id} was not as it was read")
    return _screening(row)


async def get(conn: Connection, id: str) -> Screening | None:
    """One screening."""
    row = await _Q.maybe(conn, "get", id=id)
    return None if row is None else _screening(row)


async def lock(conn: Connection, id: str) -> Screening | None:
    """One screening, which nobody else decides while the caller's transaction lasts."""
    row = await _Q.maybe(conn, "lock", id=id)
    return None if row is None else _screening(row)


async def several(conn: Connection, ids: Sequence[str]) -> list[Subject]:
    """These screenings in the order of `ids`, with what they hold."""
    found = {row["id"]: _screening(row) for row in await _Q.all(conn, "of_ids", ids=texts(ids))}
    held: dict[str, Row] = {}
    if came := [each.deposit_id for each in found.values() if each.deposit_id is not None]:
        held |= {row["id"]: row for row in await _Q.all(conn, "held_deposits", ids=texts(came))}
    if goes := [each.payout_id for each in found.values() if each.payout_id is not None]:
        held |= {row["id"]: row for row in await _Q.all(conn, "held_payouts", ids=texts(goes))}
    return [_subject(found[id], held[_held_by(found[id])]) for id in ids if id in found]


async def newest(conn: Connection, state: ScreeningState, limit: int) -> list[str]:
    """The newest screenings in a state."""
    return [row["id"] for row in await _Q.all(conn, "newest", state=state, limit=limit)]


async def holding_deposits(conn: Connection, ids: Sequence[str]) -> dict[str, str]:
    """The screenings that hold some of these deposits: of each, which."""
    rows = await _Q.all(conn, "holding_deposits", ids=texts(ids))
    return {row["id"]: row["deposit_id"] for row in rows}


async def holding_payouts(conn: Connection, ids: Sequence[str]) -> frozenset[str]:
    """Which of these payouts screening holds."""
    rows = await _Q.all(conn, "holding_payouts", ids=texts(ids))
    return frozenset(row["payout_id"] for row in rows)


async def rejected(conn: Connection, subject: str) -> bool:
    """Whether the compliance role has rejected a payout, or a deposit."""
    return bool(await _Q.scalar(conn, "rejected", subject=subject))


def _hit(row: Row) -> Hit:
    return Hit(**{**row, "address": Address(bytes(row["address"]))})


def _screening(row: Row) -> Screening:
    found = {name: row[name] for name in Screening.__slots__}
    return Screening(
        **{**found, "address": Address(bytes(row["address"])), "state": ScreeningState(row["state"])}
    )


def _held_by(screening: Screening) -> str:
    held = screening.deposit_id or screening.payout_id
    assert held is not None, "a screening holds a deposit or a payout"
    return held


def _subject(screening: Screening, row: Row) -> Subject:
    return Subject(
        screening,
        row["chain_id"],
        row["token_id"],
        row["currency"],
        row["decimals"],
        int(row["amount"]),
        row["subject_state"],
    )
