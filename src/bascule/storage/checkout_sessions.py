"""Checkout sessions, each with its payment intent."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bascule.domain.payment_intent import IntentState
from bascule.storage.arrays import texts
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("checkout_sessions")


@dataclass(frozen=True, slots=True)
class NewSession:
    """A page for an intent. success_url, cancel_url: where its payer goes afterwards."""

    id: str
    account_id: str
    livemode: bool
    payment_intent_id: str
    success_url: str | None
    cancel_url: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class SessionRow(NewSession):
    """A session as stored, with its intent's words. state, version: the intent's; due: 10^-18 units."""

    state: IntentState
    due: int
    currency: str
    expires_at: datetime
    closes_at: datetime
    client_reference_id: str | None
    description: str | None
    metadata: dict[str, str]
    version: int


async def insert(conn: Connection, new: NewSession) -> bool:
    """A new session; False when its intent, which the caller holds, has one already."""
    given = {name: getattr(new, name) for name in NewSession.__slots__}
    return await _Q.run(conn, "insert", **given) == 1


async def get_many(conn: Connection, ids: Sequence[str]) -> list[SessionRow]:
    """Those of `ids` that exist, in their order."""
    found = {}
    for row in await _Q.all(conn, "by_ids", ids=texts(ids)):
        values = row | {"due": int(row["due"]), "state": IntentState(row["state"])}
        found[row["id"]] = SessionRow(**values)
    return [found[id] for id in ids if id in found]


async def get(conn: Connection, id: str) -> SessionRow | None:
    """One session, as committed."""
    found = await get_many(conn, [id])
    return found[0] if found else None


async def of_intents(conn: Connection, intent_ids: Iterable[str]) -> list[SessionRow]:
    """The sessions of those intents that have one, in the order of the intents' ids."""
    ids = [row["id"] for row in await _Q.all(conn, "of_intents", intent_ids=texts(intent_ids))]
    return await get_many(conn, ids) if ids else []
