"""Rows of the signer's authorizations: for which tokens, at which cost, what was signed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from bascule.domain.chain import Address
from bascule.storage.database import Connection
from bascule.storage.queries import Queries
from bascule.storage.signer_ledger import SlotKey

Q = Queries("signer_authorizations")


@dataclass(frozen=True, slots=True)
class PresentLimits:
    """What one wallet may present. max_per_day: wei that 24 hours' transactions may cost at the most."""

    tokens: frozenset[Address]
    max_fee_per_gas: int
    max_gas: int
    max_per_day: int


async def set(conn: Connection, chain_id: int, wallet: Address, limits: PresentLimits) -> int:
    """A new version of the wallet's limits (the owner's login alone may); returns its number."""
    return int(
        await Q.scalar(
            conn, "set_version", chain_id=chain_id, wallet=wallet, tokens=_sorted(limits.tokens),
            max_fee_per_gas=limits.max_fee_per_gas, max_gas=limits.max_gas,
            max_per_day=Decimal(limits.max_per_day),
        )
    )  # fmt: skip


async def current(conn: Connection, chain_id: int, wallet: Address) -> PresentLimits | None:
    """The limits that rule now; None: this wallet presents nothing."""
    row = await Q.maybe(conn, "current", chain_id=chain_id, wallet=wallet)
    if row is None:
        return None
    tokens = frozenset(Address(bytes(token)) for token in row["tokens"])
    return PresentLimits(tokens, int(row["max_fee_per_gas"]), int(row["max_gas"]), int(row["max_per_day"]))


async def spent_since(conn: Connection, chain_id: int, wallet: Address, since: datetime) -> int:
    """Wei that what the wallet signed since then may cost at the most."""
    return int(await Q.scalar(conn, "spent_since", chain_id=chain_id, wallet=wallet, since=since))


async def insert(
    conn: Connection, key: SlotKey, *, token: Address, payer: Address, payers_nonce: bytes, cost: int,
    signed_at: datetime,
) -> None:  # fmt: skip
    """The nonce presents this, for ever."""
    await Q.run(
        conn, "insert", **key.parameters, token=token, payer=payer, payers_nonce=payers_nonce,
        cost=Decimal(cost), signed_at=signed_at,
    )  # fmt: skip


def _sorted(tokens: Collection[Address]) -> list[Address]:
    return sorted(tokens)
