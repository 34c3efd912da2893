"""Rows of payouts whose approvals are out of date: which they are, and the new round that each begins.

The statements stand with those of payouts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg.types.json import Jsonb

from bascule.domain.chain import Address
from bascule.domain.payout import PAYOUT, LapseReason, PayoutEvent
from bascule.storage.database import Connection
from bascule.storage.payouts import PayoutRow, Q, payout_of


@dataclass(frozen=True, slots=True)
class Round:
    """What approvers sign beside what is paid. vault: which pays it; reason: why there is a new round."""

    vault: Address
    roster_version: int
    approval_expires_at: datetime
    reason: LapseReason


async def due(conn: Connection, chain_id: int, vault: Address, now: datetime) -> list[str]:
    """Ids of a vault's payouts whose approvals are out of date or void, oldest first, at most 100."""
    rows = await Q.all(conn, "rounds_over", chain_id=chain_id, vault=vault, now=now)
    return [row["id"] for row in rows]


async def left_behind(conn: Connection, chain_id: int, vault: Address) -> dict[Address, list[str]]:
    """Payouts that have no id of their vault yet, by vaults left for this one that have no open lane.

    Of each vault the oldest, at most 100.
    """
    found: dict[Address, list[str]] = {}
    for row in await Q.all(conn, "left_behind", chain_id=chain_id, vault=vault):
        found.setdefault(Address(row["vault"]), []).append(row["id"])
    return found


async def advance_to_requires_action(
    conn: Connection, payout: PayoutRow, new: Round, *, decision: Mapping[str, Any]
) -> PayoutRow:
    """Lapsed; a new round of approvals begins. decision: who decided that people must sign."""
    PAYOUT.step(payout.state, PayoutEvent.LAPSE)
    row = await Q.one(
        conn, "advance_to_requires_action", id=payout.id, from_=payout.state, vault=new.vault,
        roster_version=new.roster_version, approval_expires_at=new.approval_expires_at, reason=new.reason,
        policy_decision=Jsonb(dict(decision)),
    )  # fmt: skip
    return payout_of(row)


async def renew(conn: Connection, payout_id: str, new: Round) -> PayoutRow:
    """A new round of approvals for a payout that still waits for the old one."""
    row = await Q.one(
        conn, "renew_round", id=payout_id, vault=new.vault, roster_version=new.roster_version,
        approval_expires_at=new.approval_expires_at, reason=new.reason,
    )  # fmt: skip
    return payout_of(row)


async def decide_anew(
    conn: Connection,
    payout_id: str,
    *,
    policy_id: str | None,
    approvals_required: int,
    decision: Mapping[str, Any],
) -> PayoutRow:
    """Another version of the policy decided on a locked payout that is in no slot; its state stays."""
    row = await Q.one(
        conn,
        "decide_anew",
        id=payout_id,
        policy_id=policy_id,
        approvals_required=approvals_required,
        policy_decision=Jsonb(dict(decision)),
    )
    return payout_of(row)


async def move(conn: Connection, payout: PayoutRow, vault: Address) -> PayoutRow:
    """A locked payout without an id is of another vault of its chain."""
    return payout_of(await Q.one(conn, "move", id=payout.id, vault=vault))
