"""Rows of settlements: an asset's periods, and their way through the states of `domain.settlement`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bascule.domain.chain import Address
from bascule.domain.settlement import SETTLEMENT, SettlementEvent, SettlementState
from bascule.storage import arrays
from bascule.storage.balance_settings import Subject
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

Q = Queries("settlements")


@dataclass(frozen=True, slots=True)
class SettlementRow:
    """One settlement as stored. identity: its payout's, for ever; amount: base units, known for good with
    the payout; due_at: none where somebody asked for it."""

    id: str
    account_id: str
    livemode: bool
    token_id: str
    period: int
    identity: str
    due_at: datetime | None
    requested_by: str
    created_at: datetime
    amount: int
    destination: Address | None
    state: SettlementState
    waits_for: str | None
    look_at: datetime | None
    failure_code: str | None
    payout_id: str | None
    ended_at: datetime | None
    version: int

    @property
    def subject(self) -> Subject:
        """Whose money in which asset."""
        return Subject(self.account_id, self.livemode, self.token_id)


async def insert(
    conn: Connection, id: str, of: Subject, *, amount: int, due_at: datetime | None, requested_by: str,
    created_at: datetime,
) -> SettlementRow | None:  # fmt: skip
    """The settlement of the next period; None while another waits. The caller has locked the settings."""
    row = await Q.maybe(
        conn, "insert", id=id, account_id=of.account_id, livemode=of.livemode, token_id=of.token_id,
        amount=amount, due_at=due_at, requested_by=requested_by, created_at=created_at,
    )  # fmt: skip
    return _settlement(row) if row else None


async def of_ids(conn: Connection, ids: Iterable[str]) -> dict[str, SettlementRow]:
    """Several settlements by id; those that do not exist are missing."""
    return {row["id"]: _settlement(row) for row in await Q.all(conn, "of_ids", ids=arrays.texts(ids))}


async def get(conn: Connection, settlement_id: str) -> SettlementRow | None:
    """One settlement, as committed."""
    return (await of_ids(conn, [settlement_id])).get(settlement_id)


async def lock(conn: Connection, settlement_id: str) -> SettlementRow | None:
    """One settlement, locked until the transaction ends."""
    row = await Q.maybe(conn, "lock", id=settlement_id)
    return _settlement(row) if row else None


async def waiting(conn: Connection, of: Subject) -> SettlementRow | None:
    """The settlement of an asset that has no payout yet."""
    row = await Q.maybe(
        conn, "waiting", account_id=of.account_id, livemode=of.livemode, token_id=of.token_id
    )  # fmt: skip
    return _settlement(row) if row else None


async def paid_by(conn: Connection, payout_id: str) -> str | None:
    """The id of the settlement that a payout pays; None for every other payout."""
    found: str | None = await Q.scalar(conn, "paid_by", payout_id=payout_id)
    return found


async def incomplete(conn: Connection, of: Subject, *, up_to: int) -> list[int]:
    """Numbers of periods of which these rows do not know that they are paid."""
    rows = await Q.all(
        conn, "incomplete", account_id=of.account_id, livemode=of.livemode, token_id=of.token_id, up_to=up_to
    )  # fmt: skip
    return [row["period"] for row in rows]


async def promised(conn: Connection, account_id: str, token_id: str) -> int:
    """Base units in settlements that wait for approval and in claimed refunds: nothing is held for them."""
    return int(await Q.scalar(conn, "promised", account_id=account_id, token_id=token_id))


async def due(conn: Connection, now: datetime, *, limit: int) -> list[str]:
    """Ids of settlements that can go on now."""
    return [row["id"] for row in await Q.all(conn, "due", now=now, limit=limit)]


async def aim(conn: Connection, settlement_id: str, *, amount: int, destination: Address) -> None:
    """A locked settlement takes so much, to there; its payout says the same."""
    await Q.run(conn, "aim", id=settlement_id, amount=amount, destination=destination)


async def give_payout(conn: Connection, settlement_id: str, payout_id: str) -> SettlementRow:
    """A locked settlement is paid by this payout, for ever."""
    return _settlement(await Q.one(conn, "give_payout", id=settlement_id, payout_id=payout_id))


async def put_off(conn: Connection, settlement_id: str, reason: str, look_at: datetime) -> SettlementRow:
    """A locked settlement waits for something, and is tried again at that moment."""
    return _settlement(await Q.one(conn, "put_off", id=settlement_id, reason=reason, look_at=look_at))


async def advance(
    conn: Connection, row: SettlementRow, event: SettlementEvent, at: datetime
) -> SettlementRow:
    """Ends a locked settlement; TransitionRefused when the table does not know the move."""
    to = SETTLEMENT.step(row.state, event)
    return _settlement(await Q.one(conn, "advance", id=row.id, from_=row.state, to=to, at=at))


async def advance_to_failed(conn: Connection, row: SettlementRow, code: str, at: datetime) -> SettlementRow:
    """A locked settlement's payout ended without paying."""
    SETTLEMENT.step(row.state, SettlementEvent.FAIL)
    return _settlement(await Q.one(conn, "advance_to_failed", id=row.id, failure_code=code, at=at))


def _settlement(row: Row) -> SettlementRow:
    to = None if row["destination"] is None else Address(bytes(row["destination"]))
    state = SettlementState(row["state"])
    return SettlementRow(**row | {"amount": int(row["amount"]), "destination": to, "state": state})
