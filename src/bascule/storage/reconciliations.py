"""Comparisons of the books with the chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bascule.domain.chain import Address, Hash
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("reconciliations")


@dataclass(frozen=True, slots=True)
class Subject:
    """A token at the newest final block of its chain as far as we have read it."""

    token_id: str
    chain_id: int
    contract: Address
    currency: str
    decimals: int
    livemode: bool
    block_number: int
    block_hash: Hash


@dataclass(frozen=True, slots=True)
class Books:
    """Base units. journal: custody accounts up to the block; unbooked: final by then, in minus out."""

    journal: int
    unbooked: int


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One comparison, in base units. residual = on_chain - journal - unbooked: 0, or something is wrong."""

    id: str
    chain_id: int
    token_id: str
    block_number: int
    block_hash: Hash
    on_chain: int
    journal: int
    unbooked: int
    residual: int
    created_at: datetime
    run_id: str | None = None


async def subjects(conn: Connection) -> list[Subject]:
    """What is to be compared: every accepted token of a chain that has been read."""
    return [Subject(token_id=row.pop("id"), **row) for row in await _Q.all(conn, "subjects")]


async def one_snapshot(conn: Connection) -> None:
    """All that the caller's transaction reads from here on is of one moment."""
    await _Q.run(conn, "one_snapshot")


async def holders(conn: Connection, subject: Subject) -> list[Address]:
    """The addresses that hold the token for us."""
    rows = await _Q.all(
        conn,
        "holders",
        chain_id=subject.chain_id,
        contract=subject.contract,
        block_number=subject.block_number,
    )
    return [row["address"] for row in rows]


async def books(conn: Connection, subject: Subject) -> Books:
    """What the books say of the same moment."""
    row = await _Q.one(
        conn,
        "books",
        chain_id=subject.chain_id,
        token_id=subject.token_id,
        contract=subject.contract,
        block_number=subject.block_number,
    )
    return Books(journal=int(row["journal"]), unbooked=int(row["unbooked"]))


async def insert(conn: Connection, new: Reconciliation) -> None:
    """Keeps the comparison."""
    await _Q.run(conn, "insert", **{name: getattr(new, name) for name in Reconciliation.__slots__})


async def of_runs(conn: Connection, run_ids: Sequence[str]) -> list[tuple[str, Subject, Reconciliation]]:
    """The comparisons of these runs: which run, what was compared, what came out."""
    made = []
    for row in await _Q.all(conn, "of_runs", run_ids=list(run_ids)):
        subject = Subject(**{name: row[name] for name in Subject.__slots__})
        numbers = {name: int(row[name]) for name in ("on_chain", "journal", "unbooked", "residual")}
        found = Reconciliation(**{name: row[name] for name in Reconciliation.__slots__} | numbers)
        made.append((row["run_id"], subject, found))
    return made
