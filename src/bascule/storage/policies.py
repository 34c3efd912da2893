"""Rows of policy: how much of a token an account may pay out, and how many approvals that takes."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.domain.policy import Limits
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

Q = Queries("policies")


@dataclass(frozen=True, slots=True)
class Policy:
    """One version of an account's limits for a token."""

    version: int
    limits: Limits


async def set(
    conn: Connection,
    account_id: str,
    token_id: str,
    *,
    approvals_required: int,
    max_per_payout: int,
    max_per_day: int,
) -> int:
    """A new version of the limits, in base units; returns its number."""
    version = await Q.scalar(
        conn,
        "set_version",
        account_id=account_id,
        token_id=token_id,
        approvals_required=approvals_required,
        max_per_payout=max_per_payout,
        max_per_day=max_per_day,
    )
    return int(version)


async def current(conn: Connection, account_id: str, token_id: str) -> Policy | None:
    """The limits that rule now; None when the account may not pay out this token."""
    row = await Q.maybe(conn, "current", account_id=account_id, token_id=token_id)
    if row is None:
        return None
    limits = Limits(
        approvals_required=row["approvals_required"],
        max_per_payout=int(row["max_per_payout"]),
        max_per_day=int(row["max_per_day"]),
    )
    return Policy(row["version"], limits)
