"""Rows of the signer's hard limits: what it will not sign beyond, whoever approved it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.types.json import Jsonb

from bascule.domain.chain import Address
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

Q = Queries("signer_limits")


@dataclass(frozen=True, slots=True)
class HardLimits:
    """Amounts in base units, a day is any 24 hours, fees in wei per gas."""

    max_per_item: int
    max_per_day: int
    max_fee_per_gas: int
    max_gas: int


@dataclass(frozen=True, slots=True)
class FeeLimits:
    """The most that current limits of a vault allow: wei per gas, and gas."""

    max_fee_per_gas: int
    max_gas: int


async def set(
    conn: Connection,
    chain_id: int,
    *,
    vault: Address,
    token: Address,
    limits: HardLimits,
    signatures: Sequence[str] = (),
) -> int:
    """The next version, and its number; only the owner's login may without signatures."""
    version = await Q.scalar(
        conn,
        "set_version",
        chain_id=chain_id,
        vault=vault,
        token=token,
        max_per_item=limits.max_per_item,
        max_per_day=limits.max_per_day,
        max_fee_per_gas=limits.max_fee_per_gas,
        max_gas=limits.max_gas,
        signatures=Jsonb(list(signatures)),
    )
    return int(version)


async def current(conn: Connection, chain_id: int, vault: Address, token: Address) -> HardLimits | None:
    """The limits that rule now; None: this token is not signed for."""
    found = await ruling(conn, chain_id, vault=vault, token=token)
    return None if found is None else found[1]


async def ruling(
    conn: Connection, chain_id: int, *, vault: Address, token: Address
) -> tuple[int, HardLimits] | None:
    """The limits that rule now and their version; None: this token is not signed for."""
    row = await Q.maybe(conn, "current", chain_id=chain_id, vault=vault, token=token)
    if row is None:
        return None
    values = {name: int(value) for name, value in row.items()}
    return values.pop("version"), HardLimits(**values)


async def of_vault(conn: Connection, chain_id: int, vault: Address) -> FeeLimits | None:
    """The most any current limit of the vault allows; None: nothing is paid from it."""
    row = await Q.one(conn, "of_vault", chain_id=chain_id, vault=vault)
    return None if row["max_gas"] is None else FeeLimits(int(row["max_fee_per_gas"]), int(row["max_gas"]))


async def highest_fee(conn: Connection, chain_id: int) -> int | None:
    """The most any limit of the chain allows per gas; None: nothing of it is signed for."""
    found = await Q.scalar(conn, "highest_fee", chain_id=chain_id)
    return None if found is None else int(found)
