"""A settlement: what an account has goes to its own address by a schedule, but for its reserve."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from bascule.domain.errors import Rejected
from bascule.domain.machine import Machine

LOOK_AGAIN = timedelta(seconds=10)  # after which a settlement that waits is tried again
THRESHOLD_EVERY = timedelta(minutes=10)  # how often a balance is held against its threshold
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class Interval(StrEnum):
    MANUAL = "manual"
    DAILY = "daily"
    WEEKLY = "weekly"
    THRESHOLD = "threshold"


@dataclass(frozen=True, slots=True)
class Schedule:
    """When an asset is settled. weekday: of a weekly one; hour: of the day, UTC, of daily and weekly ones.

    threshold: base units; what the reserve leaves is settled once it is as much. Raises: Rejected
    `schedule_invalid`, naming what is missing or has no meaning.
    """

    interval: Interval
    weekday: str | None = None
    hour: int = 0
    threshold: int | None = None

    def __post_init__(self) -> None:
        _require_with(self.interval, Interval.WEEKLY, "weekday", self.weekday)
        _require_with(self.interval, Interval.THRESHOLD, "threshold", self.threshold)
        if self.weekday is not None and self.weekday not in WEEKDAYS:
            raise Rejected("schedule_invalid", f"A weekday is one of {', '.join(WEEKDAYS)}.", param="weekday")
        if not 0 <= self.hour < 24:
            raise Rejected("schedule_invalid", "An hour is 0 to 23, of UTC.", param="hour")

    def next_after(self, moment: datetime) -> datetime | None:
        """The first due time after a moment; None for what only a request settles."""
        match self.interval:
            case Interval.MANUAL:
                return None
            case Interval.THRESHOLD:
                seconds = int(THRESHOLD_EVERY.total_seconds())
                return moment.replace(microsecond=0) + timedelta(
                    seconds=seconds - int(moment.timestamp()) % seconds
                )
            case Interval.DAILY:
                return self._at_hour(moment, days=1)
            case Interval.WEEKLY:
                return self._at_hour(moment, days=7)

    def _at_hour(self, moment: datetime, *, days: int) -> datetime:
        found = moment.replace(hour=self.hour, minute=0, second=0, microsecond=0)
        if self.weekday is not None:
            found -= timedelta(days=(found.weekday() - WEEKDAYS.index(self.weekday)) % 7)
        return found if found > moment else found + timedelta(days=days)


def _require_with(interval: Interval, only: Interval, param: str, value: object) -> None:
    if interval is only and value is None:
        raise Rejected("schedule_invalid", f"A {only} schedule needs its {param}.", param=param)
    if interval is not only and value is not None:
        raise Rejected("schedule_invalid", f"Only a {only} schedule has a {param}.", param=param)


@dataclass(frozen=True, slots=True)
class Reserve:
    """What settlements leave: an amount in base units, or a share of what is there if that is more."""

    units: int
    bps: int = 0

    def of(self, available: int) -> int:
        """Base units that stay; a share is rounded up. The balance shows the same."""
        return max(self.units, -(-max(0, available) * self.bps // 10_000))


@dataclass(frozen=True, slots=True)
class Funds:
    """An account's money in one asset, in base units.

    available: booked and not held; promised: of it, in settlements that wait for approval and in refunds
    that wait for their payouts, which hold nothing yet.
    """

    available: int
    promised: int

    def beyond(self, reserve: Reserve) -> int:
        """What the reserve leaves to be settled."""
        return max(0, self.available - self.promised - reserve.of(self.available))


def takes(funds: Funds, *, reserve: Reserve, least: int) -> int:
    """What a settlement takes: all that the reserve leaves, or nothing when that is less than `least`."""
    left = funds.beyond(reserve)
    return left if left >= max(least, 1) else 0


def payout_identity(token_id: str, period: int) -> str:
    """What names the payout of an asset's period, in its account, for ever; the database gives the same."""
    return f"settlement:{token_id}:{period}"


class SettlementState(StrEnum):
    SCHEDULED = "scheduled"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


class SettlementEvent(StrEnum):
    COMPLETE = "complete"
    FAIL = "fail"
    CANCEL = "cancel"


S, E = SettlementState, SettlementEvent

SETTLEMENT = Machine(
    "settlement",
    SettlementState,
    SettlementEvent,
    initial=(S.SCHEDULED,),
    table={
        (S.SCHEDULED, E.COMPLETE): S.COMPLETED,
        (S.SCHEDULED, E.FAIL): S.FAILED,
        (S.SCHEDULED, E.CANCEL): S.CANCELED,
    },
    sentences={
        S.SCHEDULED: "It is due; it waits for an address, policy, people or the chain, or is being paid.",
        S.COMPLETED: "Its payout is final; the money is at the account's own address.",
        S.FAILED: "Its payout ended without paying; the account has the money, and the next period takes it.",
        S.CANCELED: "It was called off, or nothing was left of it; the next period takes what there is.",
    },
)
