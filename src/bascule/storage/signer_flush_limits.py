"""Rows of the signer's registry of factories: which it calls, for which tokens, and within what limits."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.domain.chain import Address
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

Q = Queries("signer_flush_limits")


@dataclass(frozen=True, slots=True)
class FlushLimits:
    """Fees in wei per gas; max_addresses: deposit addresses in one call."""

    max_fee_per_gas: int
    max_gas: int
    max_addresses: int


async def set(
    conn: Connection, chain_id: int, *, factory: Address, token: Address, limits: FlushLimits
) -> int:  # fmt: skip
    """A new version (the owner's login alone may); returns its number."""
    version = await Q.scalar(
        conn,
        "set_version",
        chain_id=chain_id,
        factory=factory,
        token=token,
        max_fee_per_gas=limits.max_fee_per_gas,
        max_gas=limits.max_gas,
        max_addresses=limits.max_addresses,
    )
    return int(version)


async def current(conn: Connection, chain_id: int, factory: Address, token: Address) -> FlushLimits | None:
    """The limits that rule now; None: this factory is not called for this token."""
    row = await Q.maybe(conn, "current", chain_id=chain_id, factory=factory, token=token)
    return None if row is None else FlushLimits(**{name: int(value) for name, value in row.items()})


async def highest_fee(conn: Connection, chain_id: int) -> int | None:
    """The most any limit of the chain allows per gas; None: no flush on it is signed for."""
    found = await Q.scalar(conn, "highest_fee", chain_id=chain_id)
    return None if found is None else int(found)
