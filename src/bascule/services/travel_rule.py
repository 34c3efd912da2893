"""Keeps what the travel rule asks beside a payment intent, a payout or a refund; told to nobody but who asks.

No event, no line of audit and no log carries it; the line of audit says that it was recorded.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bascule.domain.errors import NotFound, Rejected, Retryable
from bascule.domain.travel_rule import Party
from bascule.services.seams import Clock
from bascule.storage import audit, travel_rules
from bascule.storage.database import Connection
from bascule.storage.travel_rules import TravelRule


async def record(
    conn: Connection,
    clock: Clock,
    object_id: str,
    *,
    account_id: str,
    livemode: bool,
    originator: Party | None,
    beneficiary: Party | None,
    actor: str,
    request_id: str | None = None,
) -> dict[str, Any]:
    """What is known from now on, whole; saying the same again changes nothing.

    Raises: Rejected `parameter_missing` when no side is named; Retryable when another call was faster.
    """
    if originator is None and beneficiary is None:
        raise Rejected("parameter_missing", "Say something of one side.", param="originator")
    known = await travel_rules.newest(conn, object_id)
    if known is not None and (known.originator, known.beneficiary) == (originator, beneficiary):
        return _shown(known)
    version = 1 if known is None else known.version + 1
    new = TravelRule(
        object_id, version, account_id, livemode, originator, beneficiary, actor, clock.now()
    )  # fmt: skip
    if not await travel_rules.insert(conn, new):
        raise Retryable("something else was said of the same object a moment ago")
    await audit.append(
        conn, actor=actor, action="travel_rule.record", object_id=object_id, details={"version": version},
        request_id=request_id,
    )  # fmt: skip
    return _shown(new)


async def read(conn: Connection, object_id: str) -> dict[str, Any]:
    """What is known. Raises: NotFound while nothing is."""
    known = await travel_rules.newest(conn, object_id)
    if known is None:
        raise NotFound("resource_missing", f"Nothing is recorded of {object_id}.", param="id")
    return _shown(known)


def _shown(known: TravelRule) -> dict[str, Any]:
    return {
        "object": "travel_rule",
        "of": known.object_id,
        "originator": None if known.originator is None else asdict(known.originator),
        "beneficiary": None if known.beneficiary is None else asdict(known.beneficiary),
        "recorded_by": known.recorded_by,
        "version": known.version,
        "livemode": known.livemode,
        "created": int(known.created_at.timestamp()),
    }
