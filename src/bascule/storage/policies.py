"""Rows of policy: every version of what an account may pay out, of one token or of all without their own."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime

import structlog
from psycopg.types.json import Jsonb

from bascule.domain import policy
from bascule.domain.chain import Address
from bascule.domain.errors import Rejected
from bascule.domain.policy import Rules
from bascule.storage import arrays
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

Q = Queries("policies")

log = structlog.get_logger()

Ruled = tuple[str, bool, str]  # an account, whether it is its live mode, a token
Denied = AbstractSet[tuple[bool, Address]]  # by mode


@dataclass(frozen=True, slots=True)
class Policy:
    """One version. token_id: None for every token without a policy of its own."""

    id: str
    account_id: str
    livemode: bool
    token_id: str | None
    version: int
    rules: Rules
    description: str | None
    created_by: str
    created_at: datetime


async def add(
    conn: Connection,
    *,
    id: str,
    account_id: str,
    livemode: bool,
    token_id: str | None,
    rules: Rules,
    created_by: str,
    created_at: datetime,
    description: str | None = None,
) -> Policy:
    """A new version, which rules from now on."""
    await Q.run(conn, "serialize", account_id=account_id)
    row = await Q.one(
        conn,
        "insert",
        id=id,
        account_id=account_id,
        livemode=livemode,
        token_id=token_id,
        rules=Jsonb(policy.write(rules)),
        description=description,
        created_by=created_by,
        created_at=created_at,
    )
    return _policy(row)


async def get(conn: Connection, policy_id: str) -> Policy | None:
    """One version."""
    row = await Q.maybe(conn, "get", id=policy_id)
    return _policy(row) if row else None


async def current(conn: Connection, account_id: str, livemode: bool, token_id: str) -> Policy | None:
    """What rules now; None when the account may not pay out this token."""
    row = await Q.maybe(conn, "current", account_id=account_id, livemode=livemode, token_id=token_id)
    return _policy(row) if row else None


async def operators_denylist(conn: Connection, livemode: bool) -> frozenset[Address]:
    """Addresses that nobody's payouts may go to: those of every policy of the operator that rules now."""
    rows = await Q.all(conn, "operators_denylist", livemode=livemode)
    return frozenset(Address(bytes.fromhex(row["address"][2:])) for row in rows)


async def ruling(conn: Connection, whose: Collection[Ruled]) -> tuple[dict[Ruled, str], Denied]:
    """The ids of the versions that rule now, of one moment with whom the operator denies in those modes.

    Who has no policy is missing.
    """
    rows = await Q.tuples(
        conn,
        "ruling",
        account_ids=arrays.texts(account_id for account_id, _, _ in whose),
        livemodes=arrays.truths(livemode for _, livemode, _ in whose),
        token_ids=arrays.texts(token_id for _, _, token_id in whose),
    )
    ids: dict[Ruled, str] = {}
    denied: set[tuple[bool, Address]] = set()
    for account_id, livemode, token_id, policy_id, address in rows:
        if address is None:
            ids[account_id, livemode, token_id] = policy_id
        else:
            denied.add((livemode, Address(bytes.fromhex(address[2:]))))
    return ids, denied


async def in_force(conn: Connection, account_id: str, livemode: bool) -> frozenset[str]:
    """The ids of the versions that rule now."""
    rows = await Q.all(conn, "newest_ids", account_id=account_id, livemode=livemode)
    return frozenset(row["id"] for row in rows)


def _policy(row: Row) -> Policy:
    return Policy(**{**row, "rules": _rules(row)})


def _rules(row: Row) -> Rules:
    """The row's rules. What our own code did not write stops its account's payouts, nobody else's."""
    try:
        return policy.read(row["rules"])
    except (Rejected, ArithmeticError, LookupError, TypeError, ValueError, AttributeError) as error:
        log.error("a policy cannot be read", policy=row["id"], account=row["account_id"], reason=str(error))
        return policy.UNREADABLE
