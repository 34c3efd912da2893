"""Rows of what proves that payouts were not paid and can never be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from psycopg.types.json import Jsonb

from bascule.domain.chain import Address, ChainId, Hash
from bascule.storage import arrays
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("negatives")

Ground = Literal["canceled_at_vault", "refused_by_token", "lane_retired", "deadline_passed"]


@dataclass(frozen=True, slots=True)
class Negative:
    """The fact of a final block. log_index: of the vault's word, or None where its storage is the proof.

    storage: JSON of `chain.state_proof.Storage`; ending: of `chain.payout_evidence.Ending`.
    """

    ground: Ground
    chain_id: ChainId
    block_hash: Hash
    log_index: int | None = None
    storage: Any = None
    ending: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven(Negative):
    """A negative as stored. nodes: who was asked."""

    nodes: Sequence[str]
    proven_at: datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """A payout that ended unpaid, with nothing proven yet. deadlines: of the batches it stood in."""

    payout_id: str
    chain_id: ChainId
    vault: Address
    vault_id: int
    ended_at: datetime
    deadlines: Sequence[datetime]


async def insert(
    conn: Connection, payout_id: str, found: Negative, nodes: Sequence[str], now: datetime
) -> None:
    """Keeps the proof of a payout that ended unpaid; another one of it changes nothing."""
    await _Q.run(
        conn, "insert", payout_id=payout_id, ground=found.ground, chain_id=found.chain_id,
        block_hash=found.block_hash, log_index=found.log_index,
        storage=None if found.storage is None else Jsonb(found.storage),
        ending=None if found.ending is None else Jsonb(found.ending), nodes=list(nodes), now=now,
    )  # fmt: skip


async def wanted(
    conn: Connection, chain_id: ChainId, limit: int, after: str = ""
) -> tuple[list[Wanted], str]:
    """The next payouts whose proof is missing, by id, and after which to go on; "" when those were the last.

    Those whose end nobody told are left out.
    """
    rows = await _Q.all(conn, "wanted", chain_id=chain_id, limit=limit, after=after)
    found = [
        Wanted(
            row["id"], row["chain_id"], Address(bytes(row["vault"])), int(row["vault_id"]), row["ended_at"],
            row["deadlines"] or (),
        )
        for row in rows
        if row["ended_at"] is not None
    ]  # fmt: skip
    return found, rows[-1]["id"] if len(rows) == limit else ""


async def of_payout(conn: Connection, payout_id: str) -> Proven | None:
    """What proves that a payout can never be paid; None where nothing does."""
    row = await _Q.maybe(conn, "of_payout", payout_id=payout_id)
    return None if row is None else Proven(**{**row, "block_hash": Hash(bytes(row["block_hash"]))})


async def grounds(conn: Connection, ids: Sequence[str]) -> dict[str, Negative]:
    """The grounds by payout, without their proofs; those of which nothing is proven are missing."""
    rows = await _Q.all(conn, "grounds", ids=arrays.texts(ids))
    return {
        row["payout_id"]: Negative(row["ground"], 0, Hash(bytes(row["block_hash"])), row["log_index"])
        for row in rows
    }


async def reissued_as(conn: Connection, payout_id: str) -> str | None:
    """The payout that stands in the place of this one."""
    found: str | None = await _Q.scalar(conn, "reissued_as", payout_id=payout_id)
    return found
