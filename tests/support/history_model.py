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
    """An intent's terms, and where it stands.

    depth: blocks on a payment after which it counts before it is final, if that was asked for; early: it
    succeeded before its money was final; reversed: what it succeeded with was gone for a while.
    """

    due: int
    tolerance_bps: int
    tolerance: int
    late: str
    overpay: str
    expires_at: datetime
    closes_at: datetime
    state: str
    depth: int | None
    early: bool
    reversed: bool


@dataclass(frozen=True)
class Arrived:
    """A deposit that stands on the canonical chain, in chain order, and what was made of it.

    chosen: the merchant decided about it; rows of the chain do not tell when; on_top: blocks on its block.
    """

    amount: int
    known: bool
    time: datetime
    final: bool
    applied: bool
    credited: int
    reason: str | None
    chosen: bool
    on_top: int


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
    _require_success_kept(promise, arrived, row, least)
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


def _require_success_kept(promise: Promise, arrived: Sequence[Arrived], row: Sums, least: int) -> None:
    """It succeeded when its money was final, or as deep as it asked for; what went since is said."""
    relied_on = sum(
        each.amount
        for each in arrived
        if each.applied and (each.final or (promise.depth is not None and each.on_top >= promise.depth))
    )
    succeeded = promise.state == "succeeded"
    if promise.state != "canceled" and max(row.confirmed, relied_on) >= least:
        assert succeeded, "it is paid as surely as it asked for"
    if succeeded and row.confirmed < least:
        assert promise.early, "it succeeded with money that is not final"
        assert promise.reversed or row.received >= least, "it succeeded with what is gone, unsaid"


def _refused(promise: Promise, each: Arrived, received: int) -> str | None:
    if not each.known:
        return "unsupported_token"
    if each.time > promise.closes_at:
        return "intent_closed"
    if received >= promise.due:
        return "already_paid"
    return "held" if promise.late == "hold" and each.time > promise.expires_at else None
