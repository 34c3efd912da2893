"""Rows of payout batches: what was asked for together, as it is signed, and who signed it.

What the API believes stands here; the signer counts signatures against its own roster only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from psycopg.types.json import Jsonb

from bascule.domain.chain import Address, Hash, checksum, parse_address
from bascule.domain.payout import LapseReason, PayoutState
from bascule.domain.payout_batch import PAYOUT_BATCH, BatchEvent, BatchState
from bascule.storage.approvals import Approval
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

Q = Queries("payout_batches")
PAYOUTS = Queries("payouts")
Mode = Literal["all_or_nothing", "best_effort"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch:
    """What a request fixes for ever, and the first round of approvals.

    leaves: 32 bytes an item, in order; totals: base units by token; None until it is settled what is paid.
    identity: the batch key, for ever; maker: the person who asked; left_out: lines that best effort left out.
    """

    id: str
    account_id: str
    livemode: bool
    chain_id: int
    vault: Address
    leaves: bytes | None
    totals: Mapping[Address, int] | None
    approvals_required: int
    approval_expires_at: datetime
    roster_version: int
    requested_by: str
    created_at: datetime
    identity: str | None = None
    mode: Mode = "all_or_nothing"
    description: str | None = None
    maker: Address | None = None
    left_out: Sequence[Mapping[str, Any]] = ()
    policy_decision: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow(NewBatch):
    """One batch as stored."""

    state: BatchState
    version: int


async def insert(conn: Connection, new: NewBatch) -> BatchRow | None:
    """The new batch, validating; None when its identity is already taken."""
    values = {name: getattr(new, name) for name in NewBatch.__slots__} | {
        "totals": _totals(new.totals),
        "left_out": Jsonb([dict(each) for each in new.left_out]),
        "policy_decision": Jsonb(dict(new.policy_decision)),
    }
    row = await Q.maybe(conn, "insert", **values)
    return _batch(row) if row else None


async def by_identity(conn: Connection, account_id: str, livemode: bool, identity: str) -> BatchRow | None:
    """The batch that owns this identity."""
    row = await Q.maybe(conn, "by_identity", account_id=account_id, livemode=livemode, identity=identity)
    return _batch(row) if row else None


async def lock_if_free(conn: Connection, batch_id: str) -> BatchRow | None:
    """The batch, locked; None when another transaction has it, which then minds it."""
    row = await Q.maybe(conn, "lock_if_free", id=batch_id)
    return _batch(row) if row else None


async def begin_round(
    conn: Connection, batch_id: str, *, vault: Address, roster_version: int, approval_expires_at: datetime,
    required: int, decision: Mapping[str, Any],
) -> None:  # fmt: skip
    """A new round of approvals of a locked batch; signatures of the one before count no more.

    required: approvals it takes now, at least as many as before; decision: who must act, and why.
    """
    await Q.run(
        conn,
        "begin_round",
        id=batch_id,
        vault=vault,
        roster_version=roster_version,
        approval_expires_at=approval_expires_at,
        required=required,
        decision=Jsonb(dict(decision)),
    )


async def follow_round(
    conn: Connection, before: BatchRow, *, beside: str, reason: LapseReason
) -> list[str]:  # fmt: skip
    """What waited in a locked batch's round before waits in its new one; the ids of those payouts.

    beside: a token whose payouts are left, as each of them is decided anew; reason: for the new round.
    """
    rows = await PAYOUTS.all(
        conn, "follow_round", id=before.id, token_id=beside, roster_version=before.roster_version,
        approval_expires_at=before.approval_expires_at, vault=before.vault, reason=reason,
    )  # fmt: skip
    return [row["id"] for row in rows]


async def advance(conn: Connection, batch: BatchRow, event: BatchEvent) -> BatchRow:
    """Moves a locked batch along its machine; TransitionRefused when the table does not know the move."""
    to = PAYOUT_BATCH.step(batch.state, event)
    return _batch(await Q.one(conn, "advance", id=batch.id, from_=batch.state, to=to))


async def get(conn: Connection, batch_id: str) -> BatchRow | None:
    """The batch, as committed."""
    row = await Q.maybe(conn, "get", id=batch_id)
    return _batch(row) if row else None


async def lock(conn: Connection, batch_id: str) -> BatchRow | None:
    """The batch, locked until the transaction ends."""
    row = await Q.maybe(conn, "lock", id=batch_id)
    return _batch(row) if row else None


async def of_ids(conn: Connection, ids: Iterable[str]) -> dict[str, BatchRow]:
    """Several batches by id; those that do not exist are missing."""
    return {row["id"]: _batch(row) for row in await Q.all(conn, "of_ids", ids=list(ids))}


async def sizes(conn: Connection, ids: Iterable[str]) -> dict[str, int]:
    """How many payouts each of several batches has."""
    return {row["id"]: row["leaves"] for row in await Q.all(conn, "sizes", ids=list(ids))}


async def settle_content(
    conn: Connection, batch_id: str, *, leaves: bytes, totals: Mapping[Address, int]
) -> bool:
    """Says what a batch pays, for ever; False when that was said before."""
    said = await Q.run(conn, "settle_content", id=batch_id, leaves=leaves, totals=_totals(totals))
    return said == 1


async def insert_approval(
    conn: Connection, batch_id: str, *, approver: Address, digest: Hash, signature: bytes
) -> bool:
    """Keeps a signature; False when this approver has already signed this text."""
    added = await Q.run(
        conn, "insert_approval", batch_id=batch_id, approver=approver, digest=digest, signature=signature
    )
    return added == 1


async def approvals_of_round(conn: Connection, batch_id: str, digest: Hash) -> list[Approval]:
    """The signatures under one text, in the order they came."""
    return [
        Approval(
            Address(bytes(row["approver"])),
            Hash(bytes(row["digest"])),
            bytes(row["signature"]),
            row["created_at"],
        )
        for row in await Q.all(conn, "approvals_of_round", batch_id=batch_id, digest=digest)
    ]


async def progress(conn: Connection, batch_id: str) -> dict[PayoutState, int]:
    """How many payouts of a batch are in which state; states without any are missing."""
    rows = await Q.all(conn, "progress", batch_id=batch_id)
    return {PayoutState(row["state"]): row["payouts"] for row in rows}


def _totals(totals: Mapping[Address, int] | None) -> Jsonb | None:
    if totals is None:
        return None
    return Jsonb({checksum(token): str(amount) for token, amount in totals.items()})


def _batch(row: Row) -> BatchRow:
    values = dict(row) | {"vault": Address(bytes(row["vault"])), "state": BatchState(row["state"])}
    if row["maker"] is not None:
        values["maker"] = Address(bytes(row["maker"]))
    if row["leaves"] is not None:
        values["leaves"] = bytes(row["leaves"])
        values["totals"] = {parse_address(token): int(amount) for token, amount in row["totals"].items()}
    return BatchRow(**values)
