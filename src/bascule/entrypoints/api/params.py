"""The parameters of every operation: their names, types and bounds. What is not named here is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import (
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic.config import JsonDict

from bascule.domain.quote import LOCK_MAX_S, LOCK_MIN_S, LOCK_S
from bascule.domain.webhook import EventType

AMOUNT_PATTERN = r"^(0|[1-9][0-9]{0,17})\.[0-9]{2,6}$"


def _listed(value: Any, info: ValidationInfo) -> Any:
    """A form's `a[0]=x&a[1]=y` arrives as {"0": "x", "1": "y"}; one value alone is a list of one."""
    if not (info.context or {}).get("form"):
        return value
    if isinstance(value, dict) and all(key.isdigit() for key in value):
        return [value[key] for key in sorted(value, key=lambda key: int(key[:9]))]
    return [value] if isinstance(value, str) else value


FormList = BeforeValidator(_listed)
Amount = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": AMOUNT_PATTERN,
            "description": "Decimal string with two to six fraction digits.",
            "examples": ["25.00"],
        }
    ),
]
Text200 = Annotated[str, StringConstraints(max_length=200)]
Text1000 = Annotated[str, StringConstraints(max_length=1000)]
Currency = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]{2,12}$")]
Id = Annotated[str, StringConstraints(min_length=1, max_length=64)]
UnixSeconds = Annotated[int, Field(ge=0, le=253_402_300_799)]
MetadataKey = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[^\[\]]+$")]
MetadataValue = Annotated[str, StringConstraints(max_length=500)]
Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=50)]
AddressText = Annotated[
    Any,
    WithJsonSchema({"type": "string", "pattern": "^0x[0-9a-fA-F]{40}$", "description": "EIP-55 address."}),
]
Payee = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^(0x[0-9a-fA-F]{40}|wal_[0-9a-z]{26})$",
            "description": "EIP-55 address, or an entry of the address book.",
        }
    ),
]
PayeeOrClaimant = Annotated[
    Any,
    WithJsonSchema(
        {
            "type": "string",
            "pattern": "^(0x[0-9a-fA-F]{40}|wal_[0-9a-z]{26}|claimant)$",
            "description": "EIP-55 address, an address book entry, or `claimant`: whoever claims a refund.",
        }
    ),
]
# The payee of a payout: `to`; `destination` is read as the same.
PAYEE = AliasChoices("to", "destination")
Expand = Annotated[list[Text200], FormList, Field(max_length=4)]


class Params(BaseModel):
    """What every set of parameters has in common: unknown names are refused, and what was asked stays so."""

    model_config = ConfigDict(extra="forbid", arbitrary_types_allowed=False, frozen=True)


class Nothing(Params):
    """No parameters."""


class Expandable(Params):
    """Parameters of reading one object."""

    expand: Expand = []


class Created(Params):
    """A range of creation times, in unix seconds."""

    gt: UnixSeconds | None = None
    gte: UnixSeconds | None = None
    lt: UnixSeconds | None = None
    lte: UnixSeconds | None = None

    def holds(self, seconds: int) -> bool:
        """Whether a moment lies in the range."""
        return (
            (self.gt is None or seconds > self.gt)
            and (self.gte is None or seconds >= self.gte)
            and (self.lt is None or seconds < self.lt)
            and (self.lte is None or seconds <= self.lte)
        )


def _range(value: Any) -> Any:
    """`created=5` is the range of that one second."""
    return {"gte": value, "lte": value} if isinstance(value, str) else value


class Paged(Params):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=100)] = 10
    starting_after: Id | None = None
    ending_before: Id | None = None
    expand: Expand = []


class Listed(Paged):
    """Parameters of every list of what came to be at some moment."""

    created: Annotated[Created, BeforeValidator(_range)] | None = None


class AcceptedParams(Params):
    """One kind of money an intent takes: a token, or every token of the currency on a network."""

    network: Text200 | None = None
    token: Text200 | None = None


FinalityLevel = Annotated[
    str,
    Field(
        pattern=r"^(depth:(0|[1-9][0-9]{0,3})|safe|finalized)$",
        description="How certain money must be before the intent succeeds: depth:N, safe or finalized. "
        "Earlier than finalized only as far as the operator allows the account; else as its tiers say.",
    ),
]


class PolicyParams(Params):
    """How an intent treats money that is not exactly what was asked for."""

    underpay_tolerance_bps: Annotated[int, Field(ge=0, le=10_000)] = 0
    underpay_tolerance_abs: Amount = "0.00"
    late: Literal["accept", "hold"] = "accept"
    overpay: Literal["hold", "keep"] = "hold"
    finality: FinalityLevel | None = None


def any_of(*needed: Sequence[str]) -> JsonDict:
    """A schema's words for: all of one of these groups is there.

    Within allOf, as an anyOf beside properties makes openapi-typescript forget them: anything would compile.
    """
    return {"allOf": [{"anyOf": [{"required": list(names)} for names in needed]}]}


class PaymentIntentCreate(Params):
    """A new payment intent."""

    model_config = ConfigDict(json_schema_extra=any_of(("amount", "currency"), ("quote",)))

    amount: Amount = None
    currency: Currency | None = None
    quote: Annotated[
        Id | None, Field(description="Where amount and currency come from, instead of being named.")
    ] = None
    accepted: Annotated[list[AcceptedParams], FormList, Field(min_length=1, max_length=50)] | None = None
    expires_at: UnixSeconds | None = None
    closes_at: UnixSeconds | None = None
    policy: PolicyParams = PolicyParams()
    client_reference_id: Text200 | None = None
    description: Text1000 | None = None
    metadata: Metadata = {}
    expand: Expand = []


class QuoteCreate(Params):
    """A price in a fiat currency, and the token's currency it is to be paid in."""

    amount: Annotated[
        Any,
        WithJsonSchema(
            {
                "type": "string",
                "pattern": r"^(0|[1-9][0-9]{0,17})\.[0-9]{2}$",
                "description": "Decimal string with two fraction digits.",
                "examples": ["25.00"],
            }
        ),
    ]
    currency: Annotated[str, StringConstraints(pattern=r"^[a-z]{3}$")]
    to_currency: Currency
    lock_seconds: Annotated[int, Field(ge=LOCK_MIN_S, le=LOCK_MAX_S)] = LOCK_S


class PaymentIntentUpdate(Params):
    """The merchant's own words; an empty string removes."""

    description: Text1000 | None = None
    metadata: Annotated[
        Metadata | Literal[""] | None, Field(description='Merged by key; "" removes all.')
    ] = None
    expand: Expand = []


class PaymentIntentCancel(Params):
    """Why an intent is called off."""

    cancellation_reason: Literal["requested_by_customer", "duplicate", "fraudulent", "abandoned"] = (
        "requested_by_customer"
    )
    expand: Expand = []


IntentStatus = Literal["requires_action", "processing", "succeeded", "canceled"]
DepositStatus = Literal["detected", "orphaned", "finalized"]
UnappliedReason = Literal[
    "orphaned", "no_intent", "intent_closed", "already_paid", "wrong_token", "wrong_chain",
    "unsupported_token", "dust", "below_minimum", "held", "unsolicited", "test_mode",
]  # fmt: skip
PayoutStatus = Literal["requires_action", "pending", "in_transit", "paid", "failed", "canceled"]
PayoutFailure = Literal[
    "destination_denylisted", "destination_not_allowed", "destination_in_cooloff", "limit_exceeded",
    "approvers_missing", "screening_rejected", "approval_rejected", "approval_expired", "token_paused",
    "destination_frozen", "refused_by_token",
]  # fmt: skip
LapsedFor = Literal[
    "approval_expired", "roster_changed", "policy_changed", "mandate_ended", "vault_migrated",
    "signer_refused",
]  # fmt: skip


class PaymentIntentList(Listed):
    """Filters of payment intents."""

    status: IntentStatus | None = None
    currency: Currency | None = None
    client_reference_id: Text200 | None = None


class IntentDepositList(Listed):
    """Filters of what arrived for one intent."""

    status: DepositStatus | None = None
    network: Text200 | None = None
    tx_hash: Text200 | None = None


class DepositList(IntentDepositList):
    """Filters of deposits."""

    payment_intent: Id | None = None


class DepositApply(Params):
    """Which intent a deposit is to count for."""

    payment_intent: Id


class PayoutCreate(Params):
    """A new payout: to whom, what, and where; or in the place of one that can never be paid."""

    amount: Amount
    currency: Currency
    network: Annotated[Text200, Field(description="CAIP-2, or `auto`: the network that pays best.")]
    to: Payee = Field(validation_alias=PAYEE)
    token: Id | None = None
    mandate: Id | None = None
    client_reference_id: Text200 | None = None
    description: Text1000 | None = None
    metadata: Metadata = {}
    reissue_of: Id | None = None


class PayoutApprove(Params):
    """One approver's EIP-712 signature."""

    approver: AddressText
    signature: Annotated[str, StringConstraints(pattern=r"^0x[0-9a-fA-F]{130}$")]


class PayoutList(Listed):
    """Filters of payouts."""

    status: PayoutStatus | None = None
    client_reference_id: Text200 | None = None
    to: Payee = Field(default=None, validation_alias=PAYEE)


class EventList(Listed):
    """Filters of events; `after_sequence` gives them oldest first, as numbered."""

    types: Annotated[list[Text200], FormList, Field(min_length=1, max_length=50)] | None = None
    type: Text200 | None = None
    object: Id | None = None
    after_sequence: Annotated[int, Field(ge=0, lt=2**63)] | None = None


class EventStream(Params):
    """What to follow; `Last-Event-ID` counts before `after_sequence`, and without either it begins now."""

    types: Annotated[list[Text200], FormList, Field(min_length=1, max_length=50)] | None = None
    after_sequence: Annotated[int, Field(ge=0, lt=2**63)] | None = None


class TokenList(Paged):
    """Filters of tokens."""

    network: Text200 | None = None
    currency: Currency | None = None


EventName = Annotated[Text200, Field(json_schema_extra={"enum": ["*", *EventType]})]
EnabledEvents = Annotated[list[EventName], FormList, Field(min_length=1, max_length=50)]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class WebhookEndpointCreate(Params):
    """A new webhook endpoint; `*` hears everything."""

    url: Url
    enabled_events: EnabledEvents = ["*"]
    description: Text1000 | None = None
    bascule_signature: bool = False


class WebhookEndpointUpdate(Params):
    """What to change of an endpoint."""

    url: Url | None = None
    enabled_events: EnabledEvents | None = None
    description: Text1000 | None = None
    disabled: bool | None = None
    bascule_signature: bool | None = None


class WebhookReplay(Params):
    """Which events are sent again: by their numbers, by when they happened, or both.

    Those the endpoint took already only with `include_delivered`.
    """

    after_sequence: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    until_sequence: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    since: Annotated[int, Field(ge=0, lt=2**33)] | None = None
    until: Annotated[int, Field(ge=0, lt=2**33)] | None = None
    include_delivered: bool = False


class RotateSecret(Params):
    """How long the old secret signs beside the new one, in seconds."""

    overlap: Annotated[int, Field(ge=0, le=7 * 24 * 3600)] = 24 * 3600


class WebhookEndpointList(Listed):
    """Filters of webhook endpoints."""

    status: Literal["enabled", "disabled"] | None = None


class DeliveryList(Listed):
    """Filters of an endpoint's deliveries."""

    status: Literal["scheduled", "delivered", "exhausted"] | None = None
    event: Id | None = None
