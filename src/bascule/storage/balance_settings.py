"""Rows of balance settings: when an account's money in an asset is settled, what stays, and whereto."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime

from bascule.domain.chain import Address
from bascule.domain.settlement import Interval, Reserve, Schedule
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("balance_settings")


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose money in which asset."""

    account_id: str
    livemode: bool
    token_id: str


@dataclass(frozen=True, slots=True)
class NewSettings:
    """What an account says. reserve, minimum, threshold: base units; reserve_bps: a share that stays,
    where it is more than the reserve; destination_from: when it cooled off.
    """

    account_id: str
    livemode: bool
    token_id: str
    schedule: Interval
    weekday: str | None
    hour: int
    threshold: int | None
    reserve: int
    reserve_bps: int
    minimum: int
    destination: Address | None
    destination_id: str | None
    destination_from: datetime | None
    updated_by: str
    updated_at: datetime
    next_run_at: datetime | None

    @property
    def subject(self) -> Subject:
        """Whose money in which asset."""
        return Subject(self.account_id, self.livemode, self.token_id)

    @property
    def keeps(self) -> Reserve:
        """What is never settled."""
        return Reserve(self.reserve, self.reserve_bps)

    @property
    def when(self) -> Schedule:
        """When it is settled."""
        return Schedule(self.schedule, self.weekday, self.hour, self.threshold)


@dataclass(frozen=True, slots=True)
class SettingsRow(NewSettings):
    """The same as stored. last_outcome: what came of the last due time."""

    version: int
    last_run_at: datetime | None
    last_outcome: str | None


async def get(conn: Connection, of: Subject) -> SettingsRow | None:
    """What an account says of an asset, if anything."""
    return _maybe(await _Q.maybe(conn, "get", **_named(of)))


async def lock(conn: Connection, of: Subject) -> SettingsRow | None:
    """The same, and nobody settles or changes it until the transaction ends."""
    return _maybe(await _Q.maybe(conn, "lock", **_named(of)))


async def of_account(conn: Connection, account_id: str, livemode: bool) -> list[SettingsRow]:
    """Everything an account says, by asset."""
    return [_row(r) for r in await _Q.all(conn, "of_account", account_id=account_id, livemode=livemode)]


async def put(conn: Connection, new: NewSettings) -> SettingsRow:
    """What an account says of an asset from now on."""
    return _row(await _Q.one(conn, "put", **{each.name: getattr(new, each.name) for each in fields(new)}))


async def due(conn: Connection, now: datetime, *, limit: int) -> list[Subject]:
    """Where a due time has come."""
    return [Subject(**row) for row in await _Q.all(conn, "due", now=now, limit=limit)]


async def ran(
    conn: Connection, of: Subject, *, at: datetime, outcome: str, next_run_at: datetime | None
) -> None:
    """Notes what came of a due time, and when the next is."""
    await _Q.run(conn, "ran", at=at, outcome=outcome, next_run_at=next_run_at, **_named(of))


def _named(of: Subject) -> dict[str, object]:
    return {"account_id": of.account_id, "livemode": of.livemode, "token_id": of.token_id}


def _maybe(row: Row | None) -> SettingsRow | None:
    return None if row is None else _row(row)


def _row(row: Row) -> SettingsRow:
    amounts = {name: int(row[name]) for name in ("reserve", "minimum")}
    threshold = None if row["threshold"] is None else int(row["threshold"])
    to = None if row["destination"] is None else Address(bytes(row["destination"]))
    return SettingsRow(
        **row | amounts | {"threshold": threshold, "destination": to, "schedule": Interval(row["schedule"])}
    )
