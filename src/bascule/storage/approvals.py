"""Rows of approvals: who may approve for an account, and the signatures given for a payout.

What the API believes stands here; the signer trusts its own roster only (`storage.signer_rosters`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bascule.domain.chain import Address, Hash
from bascule.storage import arrays
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

Q = Queries("approvals")


@dataclass(frozen=True, slots=True)
class Approval:
    """One signature (65 bytes: r, s, v) by `approver` under `digest`."""

    approver: Address
    digest: Hash
    signature: bytes
    created_at: datetime


async def add_approver(
    conn: Connection, account_id: str, address: Address, *, roster_version: int, name: str = ""
) -> None:
    """The address is in that roster of the account; repeating it is harmless."""
    await Q.run(
        conn,
        "add_approver",
        account_id=account_id,
        address=address,
        roster_version=roster_version,
        name=name,
    )


async def roster_version(conn: Connection, account_id: str) -> int | None:
    """The account's current roster; None when nobody may approve for it."""
    version = await Q.scalar(conn, "roster_version", account_id=account_id)
    return None if version is None else int(version)


async def is_approver(conn: Connection, account_id: str, version: int, address: Address) -> bool:
    """Whether the address stands in that roster."""
    found = await Q.scalar(
        conn, "is_approver", account_id=account_id, roster_version=version, address=address
    )  # fmt: skip
    return bool(found)


async def roster(conn: Connection, account_id: str, version: int) -> dict[Address, str]:
    """Names by address of one roster."""
    rows = await Q.all(conn, "roster", account_id=account_id, roster_version=version)
    return {Address(bytes(row["address"])): row["name"] for row in rows}


async def insert(
    conn: Connection, payout_id: str, *, approver: Address, digest: Hash, signature: bytes
) -> bool:
    """Keeps a signature; False when this approver has already signed this text."""
    added = await Q.run(
        conn, "insert", payout_id=payout_id, approver=approver, digest=digest, signature=signature
    )
    return added == 1


async def of_round(conn: Connection, payout_id: str, digest: Hash) -> list[Approval]:
    """The signatures under one text, in the order they came."""
    rows = await Q.all(conn, "of_round", payout_id=payout_id, digest=digest)
    return [_approval(row) for row in rows]


async def of_payouts(conn: Connection, payout_ids: Iterable[str]) -> dict[str, list[Approval]]:
    """Every signature ever given for some payouts, in the order they came; those without are missing."""
    given: dict[str, list[Approval]] = {}
    for row in await Q.all(conn, "of_payouts", payout_ids=arrays.texts(payout_ids)):
        given.setdefault(row["payout_id"], []).append(_approval(row))
    return given


def _approval(row: Row) -> Approval:
    return Approval(
        Address(bytes(row["approver"])),
        Hash(bytes(row["digest"])),
        bytes(row["signature"]),
        row["created_at"],
    )
