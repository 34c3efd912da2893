"""What an account asked for already, and whom it may not pay: the facts limits are held against."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bascule.domain.chain import Address
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

Q = Queries("spending")


@dataclass(frozen=True, slots=True)
class Asked:
    """What an account asked for of a token. spent: base units; in_window: payouts."""

    spent: int
    in_window: int


async def serialize_spending(conn: Connection, account_id: str, token_id: str) -> None:
    """Every other count of this account's requests waits until the transaction ends."""
    await Q.run(conn, "serialize_spending", account_id=account_id, token_id=token_id)


async def asked_since(
    conn: Connection,
    account_id: str,
    livemode: bool,
    token_id: str,
    *,
    day: datetime,
    window: datetime,
) -> Asked:
    """What was asked for after `day` and after `window`, and not called off or failed."""
    row = await Q.one(
        conn,
        "asked_since",
        account_id=account_id,
        livemode=livemode,
        token_id=token_id,
        day=day,
        window=window,
    )
    return Asked(**{name: int(value) for name, value in row.items()})


async def asked_of(
    conn: Connection,
    account_id: str,
    livemode: bool,
    token_id: str,
    destinations: Iterable[Address],
    since: datetime,
) -> dict[Address, int]:
    """Base units asked for after `since` and not called off or failed, by address."""
    rows = await Q.all(
        conn,
        "asked_of",
        account_id=account_id,
        livemode=livemode,
        token_id=token_id,
        destinations=list(destinations),
        since=since,
    )
    return {Address(bytes(row["destination"])): int(row["amount"]) for row in rows}


async def identities_taken(
    conn: Connection, account_id: str, livemode: bool, identities: Iterable[str]
) -> dict[str, str]:
    """The payouts that own those of the identities that are taken."""
    rows = await Q.all(
        conn, "identities_taken", account_id=account_id, livemode=livemode, identities=list(identities)
    )
    return {row["identity"]: row["id"] for row in rows}


async def alike_since(
    conn: Connection,
    account_id: str,
    livemode: bool,
    payments: Iterable[tuple[str, Address, int]],
    since: datetime,
) -> dict[tuple[str, Address, int], str]:
    """A payout, if one was asked for after `since`, that pays the same; by (token, address, base units)."""
    asked = list(payments)
    rows = await Q.all(
        conn,
        "alike_since",
        account_id=account_id,
        livemode=livemode,
        token_ids=[token for token, _, _ in asked],
        destinations=[to for _, to, _ in asked],
        amounts=[units for _, _, units in asked],
        since=since,
    )
    return {(r["token_id"], Address(bytes(r["destination"])), int(r["amount"])): r["id"] for r in rows}


async def not_payable(
    conn: Connection, chain_id: int, addresses: Iterable[Address]
) -> dict[Address, Literal["token", "ours"]]:
    """Those of the addresses that are token contracts, or ours."""
    rows = await Q.all(conn, "not_payable", chain_id=chain_id, addresses=list(addresses))
    return {Address(bytes(row["address"])): "token" if row["token"] else "ours" for row in rows}
