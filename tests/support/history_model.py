"""What an intent must have, from its deposits alone: the promise to payers, written down a second time.

Shares no code with the matcher. Amounts in base units of the one token; `settled` intents are history, of
which rows tell only the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Promise:
    """An intent's terms, and where it stands."""

    due: int
    tolerance_bps: int
    tolerance: int
    late: str
    overpay: str
    expires_at: datetime
    closes_at: datetime
    state: str


@dataclass(frozen=True)
class Arrived:
    """A deposit that stands on the canonical chain, in chain order, and what was made of it.

    chosen: the merchant decided about it; rows of the chain do not tell when.
    """

    amount: int
    known: bool
    time: datetime
    final: bool
    applied: bool
    credited: int
    reason: str | None
    chosen: bool


@dataclass(frozen=True)
class Sums:
    """What the intent's row says."""

    received: int
    confirmed: int


def require_promise_kept(promise: Promise, arrived: Sequence[Arrived], row: Sums) -> None:
    """Asserts that what was made of the deposits is what the terms promise, and that the sums are theirs."""
    assert row.received == sum(each.amount for each in arrived if each.applied)
    assert row.confirmed == sum(each.amount for each in arrived if each.applied and each.final)
    least = max(1, promise.due - max(promise.due * promise.tolerance_bps // 10_000, promise.tolerance))
    assert (promise.state == "succeeded") == (row.confirmed >= least and promise.state != "canceled")
    if promise.state == "canceled":
        assert row.received < least, "who is paid is not canceled"
    if promise.overpay == "hold":
        assert sum(each.credited for each in arrived if each.applied) <= promise.due
    if promise.state in ("succeeded", "canceled"):
        return
    assert promise.state == ("processing" if row.received >= least else "requires_action")
    if any(each.chosen for each in arrived):
        return
    received = credited = 0
    for each in arrived:
        reason = _refused(promise, each, received)
        worth = 0
        if reason is None:
            left = max(0, promise.due - credited)
            worth = each.amount if promise.overpay == "keep" else min(each.amount, left)
            received, credited = received + each.amount, credited + worth
        assert (each.applied, each.reason, each.credited) == (reason is None, reason, worth)


def _refused(promise: Promise, each: Arrived, received: int) -> str | None:
    if not each.known:
        return "unsupported_token"
    if each.time > promise.closes_at:
        return "intent_closed"
    if received >= promise.due:
        return "already_paid"
    return "held" if promise.late == "hold" and each.time > promise.expires_at else None
