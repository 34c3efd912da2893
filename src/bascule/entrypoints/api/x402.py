"""/x402: the facilitator that x402 servers ask. A verdict is 200, also a negative one, in x402's words."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from bascule.domain.x402 import Refused
from bascule.entrypoints.api import lists
from bascule.entrypoints.api.effects import Outside
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import Expandable, Nothing, Params, Text200
from bascule.entrypoints.api.shape import AddressOut, Atomic, Caip2, Decimal6, HashOut, Seconds, Shape
from bascule.services import authorization_view, facilitator, x402_request
from bascule.services.facilitator import Payee
from bascule.storage.database import Connection


class X402Payment(Params):
    """A payment as an x402 server hands it on, in version 2 or 1 of the protocol; see its specification."""

    model_config = ConfigDict(populate_by_name=True)

    x402_version: Annotated[int, Field(alias="x402Version")]
    payment_payload: Annotated[dict[str, Any], Field(alias="paymentPayload")]
    payment_requirements: Annotated[dict[str, Any], Field(alias="paymentRequirements")]


class X402Kind(Shape):
    """A way to pay."""

    version: Annotated[int, Field(alias="x402Version")]
    scheme: str
    network: str


class X402Supported(Shape):
    """What can be settled. signers: the wallets that present payments, by family of networks."""

    kinds: list[X402Kind]
    extensions: list[str]
    signers: dict[str, list[AddressOut]]


class X402Verdict(Shape):
    """Whether a payment is valid now."""

    is_valid: Annotated[bool, Field(alias="isValid")]
    invalid_reason: Annotated[str | None, Field(alias="invalidReason")] = None
    invalid_message: Annotated[str | None, Field(alias="invalidMessage")] = None
    payer: str | None = None


class X402Reference(Shape):
    """authorization: the payment in /v1/authorizations."""

    authorization: str


class X402Settlement(Shape):
    """How a payment stands. `settlement_pending` is no failure: ask again with the same payload."""

    success: bool
    error_reason: Annotated[str | None, Field(alias="errorReason")] = None
    error_message: Annotated[str | None, Field(alias="errorMessage")] = None
    payer: str | None = None
    transaction: str
    network: str
    amount: Atomic | None = None
    extra: X402Reference | None = None


class Authorization(Shape):
    """What a payer signed, and what came of it."""

    id: str
    object: Annotated[str, Field(pattern="^authorization$")]
    network: Caip2
    token: str
    contract: AddressOut
    currency: str
    amount: Decimal6
    amount_atomic: Atomic
    payer: AddressOut
    pay_to: AddressOut
    nonce: HashOut
    valid_after: Atomic
    valid_before: Atomic
    payment_identifier: str | None
    resource: str | None
    status: Annotated[str, Field(pattern="^(pending|included|settled|failed)$")]
    failure_code: str | None
    waits_for: str | None
    deposit: str | None
    tx_hash: HashOut | None
    livemode: bool
    created: Seconds
    ended_at: Seconds | None
    version: int


class X402Requirements(Shape):
    """What an x402 server says in `accepts`, but for `amount` and `maxTimeoutSeconds`."""

    scheme: str
    network: Caip2
    asset: AddressOut
    pay_to: Annotated[AddressOut, Field(alias="payTo")]
    extra: dict[str, str]


class StandingAddress(Shape):
    """Where the account is paid on a network without a payment intent."""

    object: Annotated[str, Field(pattern="^standing_address$")]
    network: Caip2
    address: AddressOut
    x402: list[X402Requirements]
    livemode: bool
    created: Seconds


class StandingAddressCreate(Params):
    """On which network."""

    network: Text200


async def supported(call: Call[Nothing]) -> dict[str, Any]:
    """What can be paid with, and which wallets present payments."""
    return await call.deps.facilitator.supported(call.livemode)


async def verify(call: Call[X402Payment]) -> dict[str, Any]:
    """Says whether a payment could be settled now; nothing is written."""
    asked = call.params
    payer = x402_request.payer_of(asked.payment_payload)
    try:
        read = x402_request.read(asked.x402_version, asked.payment_payload, asked.payment_requirements)
        await call.deps.facilitator.verify(read, Payee(call.account_id, call.livemode))
    except Refused as no:
        said = {"isValid": False, "invalidReason": no.reason, "invalidMessage": no.message, "payer": payer}
        return _without_null(said)
    return {"isValid": True, "payer": payer}


async def settle(call: Call[X402Payment]) -> dict[str, Any]:
    """Presents a payment to its token and says what came of it; the same payload is the same payment."""
    asked = call.params
    network = x402_request.network_of(asked.payment_payload, asked.payment_requirements)
    try:
        read = x402_request.read(asked.x402_version, asked.payment_payload, asked.payment_requirements)
        row = await call.deps.facilitator.settle(read, Payee(call.account_id, call.livemode))
    except Refused as no:
        payer = x402_request.payer_of(asked.payment_payload)
        said = {"errorReason": no.reason, "errorMessage": no.message, "payer": payer}
        return _without_null({"success": False, "transaction": "", "network": network, **said})
    return facilitator.settlement(row, network)


async def retrieve(call: Call[Expandable], conn: Connection) -> dict[str, Any]:
    """One authorization."""
    lists.expanding(call.params, frozenset())
    row = await authorization_view.own(conn, call.id("aut"), call.account_id, call.livemode)
    return authorization_view.described(row)


async def stand(call: Call[StandingAddressCreate], conn: Connection) -> dict[str, Any]:
    """The account's standing address on a network; made once, then always the same."""
    chain_id = await lists.chain_of(conn, call.params.network)
    assert chain_id is not None, "a network was named"
    return await call.deps.standing_addresses.make(
        conn, chain_id, account_id=call.account_id, livemode=call.livemode
    )


def _without_null(said: dict[str, Any]) -> dict[str, Any]:
    """Other languages' clients know missing fields, not null ones."""
    return {name: value for name, value in said.items() if value is not None}


_PAYMENT = {"x402Version": 2, "paymentPayload": {}, "paymentRequirements": {}}

OPERATIONS = (
    Operation(
        "GET", "/x402/supported", "get_x402_supported", "List what x402 can be paid with", "x402:read",
        Outside(supported), Nothing, X402Supported,
    ),
    Operation(
        "POST", "/x402/verify", "verify_x402_payment", "Verify an x402 payment", "x402:read",
        Outside(verify), X402Payment, X402Verdict, conflicts=True, example=_PAYMENT,
    ),
    Operation(
        "POST", "/x402/settle", "settle_x402_payment", "Settle an x402 payment", "x402:write",
        Outside(settle), X402Payment, X402Settlement, conflicts=True, example=_PAYMENT,
    ),
    Operation(
        "GET", "/v1/authorizations/{id}", "get_authorization", "Read an authorization", "x402:read",
        retrieve, Expandable, Authorization,
    ),
    Operation(
        "POST", "/v1/standing_addresses", "make_standing_address", "Make or find the standing address",
        "x402:write", stand, StandingAddressCreate, StandingAddress, "optional", conflicts=True,
        example={"network": "eip155:31337"},
    ),
)  # fmt: skip
