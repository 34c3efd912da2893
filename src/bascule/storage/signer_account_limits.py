"""Rows of what the signer signs for one account at most, and to whom, beside the vault's hard limits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from bascule.domain.chain import Address, ChainId
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

Q = Queries("signer_account_limits")


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """Of a token in a vault. max_per_day: base units of 24 hours; destinations: alone; none is any."""

    version: int
    max_per_day: int
    destinations: frozenset[Address]


async def insert(
    conn: Connection,
    account_id: str,
    chain_id: ChainId,
    *,
    vault: Address,
    token: Address,
    limits: AccountLimits,
    signatures: Sequence[str],
) -> None:
    """The next version rules from the commit on."""
    await Q.run(
        conn,
        "insert",
        account_id=account_id,
        chain_id=chain_id,
        vault=vault,
        token=token,
        version=limits.version,
        max_per_day=limits.max_per_day,
        destinations=sorted(limits.destinations),
        signatures=Jsonb(list(signatures)),
    )


async def current(
    conn: Connection, chain_id: ChainId, vault: Address, token: Address, accounts: Iterable[str]
) -> dict[str, AccountLimits]:
    """What rules now, by account; accounts without bounds of their own are missing."""
    rows = await Q.all(
        conn, "current", chain_id=chain_id, vault=vault, token=token, accounts=list(accounts)
    )  # fmt: skip
    return {
        row["account_id"]: AccountLimits(
            row["version"],
            int(row["max_per_day"]),
            frozenset(Address(bytes(each)) for each in row["destinations"]),
        )
        for row in rows
    }


async def spent_since(
    conn: Connection,
    chain_id: ChainId,
    vault: Address,
    token: Address,
    accounts: Iterable[str],
    since: datetime,
) -> dict[str, int]:
    """Base units signed for after `since`, by account; those of which nothing was signed are missing."""
    rows = await Q.all(
        conn, "spent_since", chain_id=chain_id, vault=vault, token=token, accounts=list(accounts), since=since
    )
    return {row["account_id"]: int(row["amount"]) for row in rows}
