"""The parameters and answers of policies."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bascule.domain.mandate import Kind
from bascule.entrypoints.api.objects import PolicyDecision
from bascule.entrypoints.api.params import (
    PAYEE,
    AddressText,
    Amount,
    Currency,
    FormList,
    Id,
    Listed,
    Params,
    Payee,
    Text200,
    Text1000,
)
from bascule.entrypoints.api.shape import AddressOut, Caip2, Decimal6, Seconds, Shape

DAY_S = 24 * 3600
PEOPLE_MAX = 100
DENYLIST_MAX = 1_000


class TierParams(Params):
    """So many people must agree to more than this amount."""

    above: Amount = "0.00"
    required: Annotated[int, Field(ge=1, le=PEOPLE_MAX)]


class VelocityParams(Params):
    """At most `count` payouts in any `seconds`."""

    count: Annotated[int, Field(ge=1, le=1_000_000)]
    seconds: Annotated[int, Field(ge=1, le=30 * DAY_S)]


class RulesParams(Params):
    """Every rule of a policy; what is left out is not limited."""

    approvals: Annotated[list[TierParams], FormList, Field(min_length=1, max_length=20)]
    max_per_payout: Amount = None
    max_per_day: Amount = None
    max_per_destination_per_day: Amount = None
    velocity: VelocityParams | None = None
    approval_seconds: Annotated[int, Field(ge=600, le=30 * DAY_S)] = 3 * DAY_S
    approvers: Annotated[list[AddressText], FormList, Field(max_length=PEOPLE_MAX)] = []
    denylist: Annotated[list[AddressText], FormList, Field(max_length=DENYLIST_MAX)] = []
    destinations: Literal["any", "allowlist", "verified"] = "any"
    cool_off_seconds: Annotated[int, Field(ge=0, le=30 * DAY_S)] = 0


class PolicyCreate(RulesParams):
    """A new version of the rules for a token, or for all tokens that have none of their own."""

    token: Id | None = None
    description: Text1000 | None = None


class PolicyList(Listed):
    """Filters of policies."""

    token: Id | None = None


class PolicySimulate(Params):
    """A payout that nobody asks for; `rules` are tried instead of those in force."""

    amount: Amount
    currency: Currency
    network: Text200
    to: Payee = Field(validation_alias=PAYEE)
    token: Id | None = None
    mandate: Id | None = None
    kind: Annotated[Kind, Field(description="What the payout would be for.")] = "payout"
    rules: RulesParams | None = None


class Tier(Shape):
    """So many people must agree to more than this amount."""

    above: Decimal6
    required: int


class Velocity(Shape):
    """At most `count` payouts in any `seconds`."""

    count: int
    seconds: int


class Policy(Shape):
    """One version of what an account may pay out."""

    id: str
    object: Literal["policy"]
    token: str | None = Field(description="Null: every token without a policy of its own.")
    version: int
    in_force: bool
    approvals: list[Tier]
    max_per_payout: Decimal6 | None
    max_per_day: Decimal6 | None
    max_per_destination_per_day: Decimal6 | None
    velocity: Velocity | None
    approval_seconds: int
    approvers: list[AddressOut] = Field(description="Empty: everybody on the account's roster.")
    denylist: list[AddressOut]
    destinations: Literal["any", "allowlist", "verified"]
    cool_off_seconds: int = Field(description="How long an address must be in the address book first.")
    description: str | None
    created_by: str
    livemode: bool
    created: Seconds


class PolicySimulation(Shape):
    """What policy would say of this payout now; nothing was written."""

    object: Literal["policy_simulation"]
    outcome: Literal["allow", "deny"]
    code: str | None = Field(description="The error that asking for it would be answered with.")
    policy: str | None
    policy_decision: PolicyDecision
    mandate: str | None = Field(description="Under which it would go out without approvals of its own.")
    approvals_required: int
    approvers: list[AddressOut] = Field(description="Who must act next: people whose approval would count.")
    amount: Decimal6
    currency: str
    network: Caip2
    to: AddressOut
    spent_today: Decimal6
    spent_on_destination_today: Decimal6
    asked_in_window: int
    livemode: bool
