"""Rows of anchors: which heads shall stand on chain, and what came of that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from bascule.domain.anchor import LANE, Anchored, Sent
from bascule.domain.chain import Address, Hash
from bascule.domain.errors import Halted
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row
from bascule.storage.slots import Slot

Q = Queries("anchors")


async def request(conn: Connection, now: datetime) -> int:
    """Asks for the newest head on every chain where it is missing; how many requests that made."""
    return await Q.run(conn, "request", now=now, lane=LANE)


async def waiting(conn: Connection, chain_id: int) -> Anchored | None:
    """The head that waits for a nonce."""
    row = await Q.maybe(conn, "waiting", chain_id=chain_id)
    return None if row is None else Anchored(row["seal"], row["head"])


async def take(conn: Connection, chain_id: int, seal: int, wallet: Address, nonce: int) -> None:
    """The nonce carries the head. Raises: Halted when another one does."""
    if await Q.run(conn, "take", chain_id=chain_id, seal=seal, wallet=wallet, nonce=nonce) != 1:
        raise Halted(f"the anchor of seal {seal} waits for no nonce")


async def of_slot(conn: Connection, slot: Slot) -> Anchored:
    """The head that the slot carries."""
    row = await Q.one(conn, "of_slot", **slot.key)
    return Anchored(row["seal"], row["head"])


async def put_back(conn: Connection, slot: Slot) -> None:
    """The head waits for another nonce. Raises: Halted when the slot carries none."""
    if await Q.run(conn, "put_back", **slot.key) != 1:
        raise Halted(f"nonce {slot.nonce} carries no anchor")


async def decide(conn: Connection, slot: Slot, outcome: Literal["done", "refused"], at: datetime) -> None:
    """What came of an open request. Raises: Halted when that was said before."""
    if await Q.run(conn, "decide", **slot.key, outcome=outcome, at=at) != 1:
        raise Halted(f"the anchor of nonce {slot.nonce} is not open")


async def sent(conn: Connection) -> list[Sent]:
    """All that anchors' wallets sent and that is final, by chain and nonce."""
    return [_sent(row) for row in await Q.all(conn, "sent", lane=LANE)]


async def every(conn: Connection, limit: int) -> Sequence[Row]:
    """The newest requests, as rows."""
    return await Q.all(conn, "every", limit=limit)


def _sent(row: Row) -> Sent:
    says = None if row["seal"] is None else Anchored(row["seal"], row["head"])
    return Sent(
        row["chain_id"], Address(bytes(row["wallet"])), row["nonce"], Hash(bytes(row["tx_hash"])), says
    )
