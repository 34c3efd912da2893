"""/v1/balance_settings: when an account's money is settled, what stays, and to which address it goes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from bascule.domain.settlement import Interval
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import PAYEE, Amount, Currency, Id, Nothing, Params, Payee, Text200
from bascule.entrypoints.api.shape import AddressOut, Caip2, Decimal6, Seconds, Shape
from bascule.services import balance_settings
from bascule.services.balance_settings import SettingsRequest
from bascule.storage.database import Connection

IntervalName = Literal["manual", "daily", "weekly", "threshold"]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class BalanceSettingsUpdate(Params):
    """All that is said of one asset from now on; what is left out is none."""

    network: Text200
    currency: Currency
    token: Id | None = None
    interval: IntervalName
    weekday: Annotated[Weekday | None, Field(description="Of a weekly schedule.")] = None
    hour: Annotated[int, Field(ge=0, le=23, description="Of the day, UTC.")] = 0
    threshold: Annotated[Amount, Field(description="What settles a threshold schedule.")] = None
    reserve: Annotated[Amount, Field(description="What is never settled.")] = None
    reserve_bps: Annotated[
        int, Field(ge=0, le=10_000, description="A share of what is available; it stays if it is more.")
    ] = 0
    minimum: Annotated[Amount, Field(description="Less than that is not settled.")] = None
    to: Payee = Field(default=None, validation_alias=PAYEE)


class SettlementSchedule(Shape):
    """When an asset is settled. hour: of the day, UTC."""

    interval: IntervalName
    weekday: Weekday | None
    hour: int
    threshold: Decimal6 | None


class SettlementDestination(Shape):
    """Where an asset is settled to. usable_from: end of the cool-off; entry: of the address book."""

    to: AddressOut
    entry: str | None
    usable_from: Seconds


class LastRun(Shape):
    """What came of the last due time."""

    at: Seconds
    outcome: Literal["scheduled", "nothing_due", "still_waiting"]


class SettlementSettings(Shape):
    """What is said of one asset."""

    token: str
    network: Caip2
    currency: str
    schedule: SettlementSchedule
    reserve: Decimal6
    reserve_bps: int
    minimum: Decimal6
    destination: SettlementDestination | None
    next_run_at: Seconds | None
    last_run: LastRun | None
    updated_by: str
    updated: Seconds
    version: int


class BalanceSettings(Shape):
    """All that an account says, by asset; an asset that is not here is settled on request alone."""

    object: Literal["balance_settings"]
    settlements: list[SettlementSettings]
    livemode: bool


async def retrieve(call: Call[Nothing], conn: Connection) -> dict[str, Any]:
    """What the caller says of each asset."""
    return await balance_settings.describe(conn, call.account_id, call.livemode)


async def update(call: Call[BalanceSettingsUpdate], conn: Connection) -> dict[str, Any]:
    """Sets one asset's schedule, reserve, minimum and address; another address begins its cool-off."""
    asked = call.params.model_dump()
    return await call.deps.balance_settings.set(
        conn,
        account_id=call.account_id,
        livemode=call.livemode,
        request=SettingsRequest(**asked | {"interval": Interval(asked["interval"])}),
        actor=call.caller.key_id,
        context=call.context,
    )


_PATH = "/v1/balance_settings"
_UPDATE = {
    "network": "eip155:31337",
    "currency": "usdc",
    "interval": "daily",
    "hour": 2,
    "reserve": "100.00",
    "minimum": "10.00",
    "to": "0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
}

OPERATIONS = (
    Operation(
        "GET", _PATH, "get_balance_settings", "Read the balance settings", "balance:read", retrieve, Nothing,
        BalanceSettings,
    ),
    Operation(
        "POST", _PATH, "update_balance_settings", "Set an asset's settlements", "balance_settings:write",
        update, BalanceSettingsUpdate, BalanceSettings, "optional", example=_UPDATE,
    ),
)  # fmt: skip
