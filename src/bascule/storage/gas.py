"""Rows of gas: how each wallet stands, where coin may go, and what the gas wallet sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bascule.domain import gas as rules
from bascule.domain.chain import Address, ChainId
from bascule.domain.errors import Halted
from bascule.domain.gas import Limits, Tank
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row
from bascule.storage.slots import Slot

Q = Queries("gas")


@dataclass(frozen=True, slots=True)
class TopUp:
    """Wei for a wallet of ours."""

    destination: Address
    amount: int


async def see(
    conn: Connection, chain_id: int, wallet: Address, *, balance: int, block_number: int, full_cost: int,
    now: datetime,
) -> None:  # fmt: skip
    """The wallet stands like this at the end of a block; what was seen at a later one stays."""
    row = await Q.one(conn, "spent", chain_id=chain_id, wallet=wallet, since=now - rules.RECENT)
    await Q.run(
        conn,
        "see",
        chain_id=chain_id,
        wallet=wallet,
        balance=balance,
        block_number=block_number,
        full_cost=full_cost,
        spent=row["amount"],
        spent_since=row["began"] or now,
        seen_at=now,
    )


async def worked_up_to(conn: Connection, chain_id: int, vault: Address) -> int | None:
    """The newest block at which a lane of the vault was open, and its wallet seen; None for never."""
    found = await Q.scalar(conn, "worked_up_to", chain_id=chain_id, vault=vault)
    return None if found is None else int(found)


async def standing(conn: Connection) -> list[tuple[ChainId, Tank]]:
    """How every wallet stands, by chain and name."""
    return [(ChainId(row["chain_id"]), _tank(row)) for row in await Q.all(conn, "standing")]


async def fillable(conn: Connection, chain_id: int, now: datetime) -> list[tuple[Tank, Limits]]:
    """The wallets that coin may go to now, the emptiest first. The caller holds the gas wallet's lock."""
    rows = await Q.all(
        conn, "fillable", chain_id=chain_id, day=now - rules.RECENT, retry=now - rules.RETRY_AFTER
    )
    return [
        (_tank(row), Limits(int(row["max_per_item"]), int(row["max_per_day"]), int(row["sent"])))
        for row in rows
    ]


async def set_route(
    conn: Connection, chain_id: int, destination: Address, *, max_per_item: int, max_per_day: int
) -> None:
    """Coin may go to this wallet (the owner's login alone may); other limits take the place of these."""
    await Q.run(
        conn, "set_route", chain_id=chain_id, destination=destination, max_per_item=max_per_item,
        max_per_day=max_per_day,
    )  # fmt: skip


async def insert(
    conn: Connection, chain_id: int, wallet: Address, nonce: int, top_up: TopUp, requested_at: datetime
) -> None:
    """The nonce sends this, for ever; a second open one to the same wallet is refused by its index."""
    await Q.run(
        conn, "insert", chain_id=chain_id, wallet=wallet, nonce=nonce, destination=top_up.destination,
        amount=top_up.amount, requested_at=requested_at,
    )  # fmt: skip


async def of_slot(conn: Connection, slot: Slot) -> TopUp:
    """What the slot sends."""
    row = await Q.one(conn, "of_slot", **slot.key)
    return TopUp(Address(bytes(row["destination"])), int(row["amount"]))


async def decide(
    conn: Connection, slot: Slot, outcome: Literal["done", "failed", "lost"], at: datetime,
    block_number: int | None = None,
) -> None:  # fmt: skip
    """What came of an open top-up; Halted when that was said before."""
    if await Q.run(conn, "decide", **slot.key, outcome=outcome, at=at, block_number=block_number) != 1:
        raise Halted(f"the top-up of nonce {slot.nonce} is not open")


def _tank(row: Row) -> Tank:
    return Tank(
        wallet=Address(bytes(row["wallet"])),
        name=row["name"],
        balance=int(row["balance"]),
        block_number=row["block_number"],
        full_cost=int(row["full_cost"]),
        spent=int(row["spent"]),
        spent_since=row["spent_since"],
        seen_at=row["seen_at"],
    )
