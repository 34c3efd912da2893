"""What the signer holds a top-up against: registered routes, and what went along them in 24 hours."""

from __future__ import annotations

from datetime import datetime, timedelta

from bascule.chain.erc20 import transfer_calldata
from bascule.chain.tx import UnsignedTx
from bascule.domain import stops
from bascule.domain.chain import ZERO_ADDRESS, Address
from bascule.domain.fees import Fees
from bascule.services.signing_intents import SignerRefused, TopUpIntent, address
from bascule.storage import signer_stops, signer_top_ups
from bascule.storage.database import Connection
from bascule.storage.signer_ledger import SlotKey
from bascule.storage.signer_limits import HardLimits
from bascule.storage.signer_top_ups import Route

DAY = timedelta(hours=24)


def transaction(intent: TopUpIntent, fees: Fees) -> UnsignedTx:
    """The transfer the intent means. Raises: SignerRefused when it means none."""
    route = route_of(intent)
    if not 0 < intent.amount < 2**128:
        raise SignerRefused("intent_malformed", "The amount is zero or out of range.")
    if route.asset == ZERO_ADDRESS:
        return UnsignedTx(intent.chain_id, intent.nonce, route.destination, intent.amount, b"", fees)
    calldata = transfer_calldata(route.destination, intent.amount)
    return UnsignedTx(intent.chain_id, intent.nonce, route.asset, 0, calldata, fees)


def route_of(intent: TopUpIntent) -> Route:
    """From where to where, of what. Raises: SignerRefused."""
    return Route(
        intent.chain_id,
        address(intent.wallet, "wallet"),
        address(intent.asset, "asset"),
        address(intent.to, "to"),
    )


async def limits_of(conn: Connection, intent: TopUpIntent) -> HardLimits:
    """The limits of the route. Raises: SignerRefused when nobody registered it."""
    limits = await signer_top_ups.current(conn, route_of(intent))
    if limits is None:
        raise SignerRefused("route_unknown", "This wallet tops up nothing of it there.")
    return limits


async def count(conn: Connection, intent: TopUpIntent, key: SlotKey, now: datetime) -> None:
    """Writes the top-up into its day. The caller holds the wallet's lock. Raises: SignerRefused."""
    route, limits = route_of(intent), await limits_of(conn, intent)
    to = Address(intent.to)
    if await signer_stops.among(conn, [stops.destination(to)]):
        raise SignerRefused("destination_denied", f"An operator denied 0x{to.hex()}.")
    if intent.amount > limits.max_per_item:
        raise SignerRefused("item_limit_exceeded", f"{intent.amount}, at most {limits.max_per_item}.")
    spent = await signer_top_ups.spent_since(conn, route, now - DAY)
    if spent + intent.amount > limits.max_per_day:
        raise SignerRefused(
            "day_limit_exceeded", f"{spent} were signed for in 24 hours, at most {limits.max_per_day}."
        )
    await signer_top_ups.insert(conn, key, route, intent.amount, now)
