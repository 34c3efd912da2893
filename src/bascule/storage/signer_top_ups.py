"""Rows of top-ups: the routes to destinations of ours, how much may go along them, and what was signed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bascule.domain.chain import Address
from bascule.storage.database import Connection
from bascule.storage.queries import Queries
from bascule.storage.signer_ledger import SlotKey
from bascule.storage.signer_limits import HardLimits

Q = Queries("signer_top_ups")


@dataclass(frozen=True, slots=True)
class Route:
    """Where money may go. asset: a token's contract, or the zero address for the chain's coin."""

    chain_id: int
    wallet: Address
    asset: Address
    destination: Address

    @property
    def parameters(self) -> dict[str, object]:
        """The route as query parameters."""
        return {
            "chain_id": self.chain_id,
            "wallet": self.wallet,
            "asset": self.asset,
            "destination": self.destination,
        }


async def set(conn: Connection, route: Route, limits: HardLimits) -> int:
    """A new version of the route's limits (the owner's login alone may); returns its number."""
    version = await Q.scalar(
        conn,
        "set_version",
        **route.parameters,
        max_per_item=limits.max_per_item,
        max_per_day=limits.max_per_day,
        max_fee_per_gas=limits.max_fee_per_gas,
        max_gas=limits.max_gas,
    )
    return int(version)


async def current(conn: Connection, route: Route) -> HardLimits | None:
    """The limits that rule now; None: nothing goes this way."""
    row = await Q.maybe(conn, "current", **route.parameters)
    return None if row is None else HardLimits(**{name: int(value) for name, value in row.items()})


async def highest_fee(conn: Connection, chain_id: int, wallet: Address) -> int | None:
    """The most any route of the wallet allows per gas; None: it has none."""
    found = await Q.scalar(conn, "highest_fee", chain_id=chain_id, wallet=wallet)
    return None if found is None else int(found)


async def insert(conn: Connection, key: SlotKey, route: Route, amount: int, signed_at: datetime) -> None:
    """The nonce sends this, for ever."""
    await Q.run(
        conn,
        "insert",
        **route.parameters,
        nonce=key.nonce,
        amount=amount,
        signed_at=signed_at,
    )


async def spent_since(conn: Connection, route: Route, since: datetime) -> int:
    """Base units, or wei, that were signed for on the route after `since`."""
    return int(await Q.scalar(conn, "spent_since", **route.parameters, since=since))
