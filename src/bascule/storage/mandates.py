"""Rows of mandates: what goes out without approvals of its own, and who signed that."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bascule.domain.chain import Address, ChainId
from bascule.domain.mandate import MANDATE, MandateEvent, MandateState
from bascule.storage import arrays
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

Q = Queries("mandates")


@dataclass(frozen=True, slots=True)
class NewMandate:
    """What a mandate says for ever.

    destination: an address with its checksum, or `claimant`; max_per_item, max_per_day: base units; maker:
    the person whose key asked for it.
    """

    id: str
    account_id: str
    livemode: bool
    kind: str
    chain_id: ChainId
    vault: Address
    token_id: str
    destination: str
    max_per_item: int
    max_per_day: int
    expires_at: datetime
    approvals_required: int
    description: str | None
    requested_by: str
    maker: Address | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class MandateRow(NewMandate):
    """One mandate as stored."""

    state: MandateState
    version: int


@dataclass(frozen=True, slots=True)
class Signed:
    """One approver's signature (65 bytes: r, s, v) under a mandate."""

    approver: Address
    signature: bytes
    created_at: datetime


async def insert(conn: Connection, new: NewMandate) -> MandateRow:
    """The new mandate in requires_action."""
    return _mandate(
        await Q.one(conn, "insert", **{name: getattr(new, name) for name in NewMandate.__slots__})
    )


async def of_ids(conn: Connection, ids: Iterable[str]) -> dict[str, MandateRow]:
    """Several mandates by id; those that do not exist are missing."""
    rows = await Q.all(conn, "of_ids", ids=arrays.texts(ids))
    return {row["id"]: _mandate(row) for row in rows}


async def get(conn: Connection, mandate_id: str) -> MandateRow | None:
    """One mandate, as committed."""
    return (await of_ids(conn, [mandate_id])).get(mandate_id)


async def active(conn: Connection, ids: Iterable[str]) -> frozenset[str]:
    """Those of some mandates under which payouts go out now."""
    return frozenset(id for id, row in (await of_ids(conn, ids)).items() if row.state is MandateState.ACTIVE)


async def lock(conn: Connection, mandate_id: str) -> MandateRow | None:
    """One mandate, locked until the transaction ends."""
    row = await Q.maybe(conn, "lock", id=mandate_id)
    return _mandate(row) if row else None


async def advance(conn: Connection, mandate: MandateRow, event: MandateEvent) -> MandateRow:
    """Moves a locked mandate along its machine; TransitionRefused when the table does not know the move."""
    to = MANDATE.step(mandate.state, event)
    return _mandate(await Q.one(conn, "advance", id=mandate.id, from_=mandate.state, to=to))


async def approve(conn: Connection, mandate_id: str, *, approver: Address, signature: bytes) -> None:
    """Keeps a signature; one person's counts once."""
    await Q.run(conn, "approve", mandate_id=mandate_id, approver=approver, signature=signature)


async def approvals_of(conn: Connection, ids: Iterable[str]) -> dict[str, list[Signed]]:
    """The signatures under some mandates, in the order they came; a mandate without any has an empty list."""
    wanted = list(ids)
    given: dict[str, list[Signed]] = {id: [] for id in wanted}
    for row in await Q.all(conn, "approvals_of", ids=wanted):
        signed = Signed(Address(bytes(row["approver"])), bytes(row["signature"]), row["created_at"])
        given[row["mandate_id"]].append(signed)
    return given


async def standing(
    conn: Connection, account_id: str, livemode: bool, kind: str, token_id: str, vault: Address
) -> list[str]:
    """Ids of the active mandates of a kind, to whatever destination."""
    rows = await Q.all(
        conn, "standing", account_id=account_id, livemode=livemode, kind=kind, token_id=token_id, vault=vault
    )
    return [row["id"] for row in rows]


async def spent_since(conn: Connection, ids: Iterable[str], since: datetime) -> dict[str, int]:
    """Base units asked for under each since a moment, not called off; mandates without any are missing."""
    rows = await Q.all(conn, "spent_since", ids=arrays.texts(ids), since=since)
    return {row["mandate_id"]: int(row["amount"]) for row in rows}


async def unsigned(conn: Connection, ids: Iterable[str]) -> dict[str, int]:
    """Base units under each in batches the signer has not answered yet; those without any are missing."""
    rows = await Q.all(conn, "unsigned", ids=arrays.texts(ids))
    return {row["mandate_id"]: int(row["amount"]) for row in rows}


async def overdue(conn: Connection, now: datetime, *, limit: int) -> list[str]:
    """Ids of mandates that have ended by now and have not said so."""
    return [row["id"] for row in await Q.all(conn, "overdue", now=now, limit=limit)]


def _mandate(row: Row) -> MandateRow:
    return MandateRow(
        **{
            **row,
            "vault": Address(bytes(row["vault"])),
            "maker": None if row["maker"] is None else Address(bytes(row["maker"])),
            "max_per_item": int(row["max_per_item"]),
            "max_per_day": int(row["max_per_day"]),
            "state": MandateState(row["state"]),
        }
    )
