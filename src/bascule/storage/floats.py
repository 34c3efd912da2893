"""Rows of floats: what each vault holds against what is wanted of it, and what treasury is asked to send."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bascule.domain.chain import Address, ChainId
from bascule.domain.standing import RECENT, Reason, Standing
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

Q = Queries("floats")


@dataclass(frozen=True, slots=True)
class Limit:
    """A vault's rolling limit of a token: base units in any window of seconds, and what is left of them."""

    amount: int
    window_s: int
    left: int


@dataclass(frozen=True, slots=True)
class Float:
    """A token in a vault.

    coming: capital that is not final; proposed, reason: asked of treasury and still open; limit: as the chain
    said at seen_at, None before it was asked.
    """

    chain_id: ChainId
    vault: Address
    token_id: str
    contract: Address
    currency: str
    decimals: int
    standing: Standing
    coming: int
    proposed: int | None
    proposed_at: datetime | None
    reason: Reason | None
    limit: Limit | None
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Count:
    """Base units of a token at one moment.

    held: booked in a vault; paying, unsigned: in its unfinished batches, and in those of them of which no
    signed bytes were kept yet; waiting: of approved payouts that wait, 0 when that was not asked for.
    """

    held: int
    paying: int
    unsigned: int
    waiting: int


async def held(conn: Connection, chain_id: int, vault: Address, token_id: str) -> int:
    """Base units of a token that are booked in a vault."""
    return (await count(conn, chain_id, vault, token_id)).held


async def count(
    conn: Connection, chain_id: int, vault: Address, token_id: str, *, waiting: bool = False
) -> Count:
    """What a vault holds of a token, and what is taken of that. waiting: what waits for it is counted too."""
    row = await Q.one(conn, "held", chain_id=chain_id, vault=vault, token_id=token_id, waiting=waiting)
    return Count(**{name: int(value or 0) for name, value in row.items()})


async def serialize_reserving(conn: Connection, chain_id: int, vault: Address) -> None:
    """No other lane of the vault counts its float until the transaction ends."""
    await Q.run(conn, "serialize_reserving", chain_id=chain_id, vault=vault)


async def standing(conn: Connection, chain_id: int, vault: Address, token_id: str, now: datetime) -> Standing:
    """What a vault has of a token, and what is wanted of it."""
    wanted = await Q.one(conn, "demand", vault=vault, token_id=token_id, since=now - RECENT)
    booked = await held(conn, chain_id, vault, token_id)
    return Standing(booked, **{name: int(value) for name, value in wanted.items()})


async def several_vaults(conn: Connection, chain_id: int) -> bool:
    """Whether the chain has more than one, as while one takes another's place."""
    return bool(await Q.scalar(conn, "several", chain_id=chain_id))


async def see(
    conn: Connection, chain_id: int, vault: Address, token_id: str, *, balance: int | None, block_number: int,
    limit: Limit, at: datetime,
) -> None:  # fmt: skip
    """The vault stands like this on chain; what was seen at a later block stays.

    balance: at the end of that block, which is final; None when nobody needs it.
    """
    await Q.run(
        conn, "see", chain_id=chain_id, vault=vault, token_id=token_id, balance=balance,
        block_number=block_number, limit_amount=limit.amount, limit_window_s=limit.window_s,
        limit_left=limit.left, at=at,
    )  # fmt: skip


async def say_low(conn: Connection, seen: Float) -> int | None:
    """Keeps whether the float is low; how often that changed when it is news, else None."""
    row = await Q.maybe(
        conn, "say_low", chain_id=seen.chain_id, vault=seen.vault, token_id=seen.token_id,
        low=seen.standing.low,
    )  # fmt: skip
    return None if row is None else int(row["changes"])


async def propose(conn: Connection, chain_id: int, vault: Address, token_id: str, at: datetime) -> int:
    """Treasury is asked for what is wanted now; returns it. While that is open the most is asked for."""
    wanted = (await standing(conn, chain_id, vault, token_id, at)).wanted
    if wanted is None:
        return 0
    await Q.run(
        conn, "propose", chain_id=chain_id, vault=vault, token_id=token_id, amount=wanted.amount,
        reason=wanted.reason, at=at,
    )  # fmt: skip
    return wanted.amount


async def covered(conn: Connection, chain_id: int, vault: Address, now: datetime) -> list[str]:
    """The tokens treasury was asked for that a vault does not lack any more."""
    asked = {
        row["token_id"]: row["reason"] for row in await Q.all(conn, "open", chain_id=chain_id, vault=vault)
    }
    return [
        token_id
        for token_id, reason in asked.items()
        if (await standing(conn, chain_id, vault, token_id, now)).settles(reason)
    ]


async def settle(conn: Connection, chain_id: int, vault: Address, token_id: str, at: datetime) -> None:
    """What was asked for is there, or not needed any more; repeating it changes nothing."""
    await Q.run(conn, "settle", chain_id=chain_id, vault=vault, token_id=token_id, at=at)


async def every(conn: Connection, now: datetime) -> list[Float]:
    """Each accepted token in each vault that has an open lane, by chain and currency."""
    return [await _float(conn, row, now) for row in await Q.all(conn, "vaults")]


async def _float(conn: Connection, row: Row, now: datetime) -> Float:
    vault, limit = Address(bytes(row["vault"])), None
    if row["limit_left"] is not None:
        limit = Limit(int(row["limit_amount"]), row["limit_window_s"], int(row["limit_left"]))
    return Float(
        chain_id=row["chain_id"],
        vault=vault,
        token_id=row["token_id"],
        contract=Address(bytes(row["contract"])),
        currency=row["currency"],
        decimals=row["decimals"],
        standing=await standing(conn, row["chain_id"], vault, row["token_id"], now),
        coming=int(row["coming"]),
        proposed=None if row["proposed"] is None else int(row["proposed"]),
        proposed_at=row["proposed_at"],
        reason=row["reason"],
        limit=limit,
        seen_at=row["seen_at"],
    )
