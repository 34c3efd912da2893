"""The shapes of answers about money, for the OpenAPI document; tests hold every answer against them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from bascule.domain.payout import FAILURES, LAPSES
from bascule.entrypoints.api.deposit_objects import Deposit
from bascule.entrypoints.api.evidence_objects import PayoutGround
from bascule.entrypoints.api.params import (
    IntentStatus,
    LapsedFor,
    PayoutFailure,
    PayoutStatus,
)
from bascule.entrypoints.api.shape import (
    AddressOut,
    Atomic,
    Caip2,
    Decimal6,
    HashOut,
    Seconds,
    Shape,
)


class AcceptedMoney(Shape):
    """A token on a network that counts."""

    network: Caip2
    token: str


class SupportedToken(Shape):
    """What to send in one token; amount_atomic is exact."""

    token: str
    currency: str
    contract: AddressOut
    decimals: int
    amount: Decimal6
    amount_atomic: Atomic
    eip681_uri: str


class DepositInstructions(Shape):
    """Where to send on one network. confirmations_required: null where a tag of the network decides."""

    address: AddressOut
    network_name: str
    finality: Literal["finalized", "safe", "depth"]
    confirmations_required: int | None
    supported_tokens: list[SupportedToken]


class DepositDetails(Shape):
    """The addresses by network (CAIP-2)."""

    deposit_addresses: dict[str, DepositInstructions]


class IntentNextAction(Shape):
    """What the payer has to do."""

    type: Literal["display_deposit_details"]
    display_deposit_details: DepositDetails


class IntentPolicy(Shape):
    """How money that is not exactly what was asked for is treated."""

    underpay_tolerance_bps: int
    underpay_tolerance_abs: Decimal6
    late: Literal["accept", "hold"]
    overpay: Literal["hold", "keep"]
    finality: str = Field(description="At which level it succeeds: depth:N, safe or finalized.")


class IntentTransaction(Shape):
    """A transaction on chain that counts for the intent."""

    network: Caip2
    hash: HashOut
    deposit: str


class IntentEvidence(Shape):
    """What proves the state."""

    transactions: list[IntentTransaction]


class PaymentIntent(Shape):
    """Money asked for, with an address of its own on every network it accepts."""

    id: str
    object: Literal["payment_intent"]
    amount: Decimal6
    currency: str
    quote: str | None = Field(description="The quote that the amount comes from.")
    invoice: str | None = Field(description="The invoice that it asks for.")
    amount_received: Decimal6
    amount_confirmed: Decimal6
    amount_remaining: Decimal6
    amount_overpaid: Decimal6
    amount_refunded: Decimal6
    status: IntentStatus
    flags: list[str]
    accepted: list[AcceptedMoney]
    next_action: IntentNextAction | None
    expires_at: Seconds
    closes_at: Seconds
    policy: IntentPolicy
    client_reference_id: str | None
    description: str | None
    metadata: dict[str, str]
    client_secret: str
    cancellation_reason: str | None
    evidence: IntentEvidence
    latest_deposit: str | Deposit | None = Field(description="An id, or the deposit when expanded.")
    livemode: bool
    created: Seconds
    canceled_at: Seconds | None
    succeeded_at: Seconds | None
    succeeded_by: str | None = Field(
        description="At which level it succeeded. Anything but finalized: its money was not booked yet."
    )
    version: int


class PayoutApproval(Shape):
    """One approver who has signed this payout as it stands."""

    approver: AddressOut
    created: Seconds


class ActsNext(Shape):
    """Who had to act next when policy decided; what has been done since is told elsewhere."""

    actor: Literal["approvers", "submitter", "nobody"] = Field(
        description="`submitter`: a mandate carried it; `nobody`: it was denied."
    )
    approvers: list[AddressOut] = Field(description="Whose approval counted.")
    approvals_missing: int = Field(description="How many of them had to sign.")


class PolicyDecision(Shape):
    """Which rule decided, why, and who had to act next."""

    rule: str
    reasons: list[str]
    acts_next: ActsNext | None = Field(description="Null for what an earlier release decided.")


class NetworkCandidate(Shape):
    """What was known of a network that could pay. cost: of one payout lately, where a coin has a price."""

    network: Caip2
    float_covers: bool
    cost: str | None
    seconds_to_final: int


class NetworkDecision(Shape):
    """Why this network pays what was asked for with the network `auto`; the best comes first."""

    by: Literal["only_one", "float", "cost", "speed", "order"]
    reason: str
    candidates: list[NetworkCandidate]


class SignApproval(Shape):
    """What an approver signs: EIP-712 typed data; and who must act next."""

    type: Literal["sign_approval"]
    typed_data: dict[str, Any]
    approvers: list[AddressOut] = Field(description="Who may sign and has not.")
    approvals_missing: int


class TransactionFees(Shape):
    """In wei; paid is known once the transaction is mined."""

    max_fee_per_gas: Atomic
    max_priority_fee_per_gas: Atomic
    paid: Atomic | None


class NetworkFee(Shape):
    """What one transaction took of the network's coin, for all payouts that it carried."""

    type: Literal["network_fee"]
    amount_atomic: Atomic
    decimals: int
    transaction: HashOut
    paid_by: Literal["operator"]


class PayoutTransaction(Shape):
    """One signed transaction that tried to pay."""

    hash: HashOut
    nonce: int
    status: Literal["signed", "offered", "mined", "final", "superseded"]
    succeeded: bool | None
    block_number: int | None
    fees: TransactionFees


class PayoutEnded(Shape):
    """The fact of a final block that ended a payout for ever."""

    outcome: Literal["paid", "never_paid"]
    ground: PayoutGround = Field(description="By which fact.")
    block_hash: HashOut
    log_index: int | None = Field(description="Null where the vault's storage is the proof.")
    url: str = Field(description="Where the evidence is, to be checked offline.")


class PayoutCancellation(Shape):
    """A payout on its way that was called off at the vault: whether the vault was told in time."""

    status: Literal["open", "canceled", "too_late"]
    requested_at: Seconds


class Payout(Shape):
    """Money asked to go out."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    id: str
    object: Literal["payout"]
    amount: Decimal6
    amount_atomic: Atomic
    currency: str
    decimals: int
    token: str
    network: Caip2
    network_decision: NetworkDecision | None = Field(description="Null when a network was named.")
    destination: str = Field(description="The entry of the address book that was named, else the address.")
    to: AddressOut
    status: PayoutStatus
    stuck: bool
    waits_for: str | None
    failure_code: PayoutFailure | None = Field(
        description="Why it failed, or was canceled though nobody called it off. "
        + " ".join(f"`{code}`: {what} {do}" for code, (what, do) in FAILURES.items())
    )
    lapse_reason: LapsedFor | None = Field(
        description="Why approvals that were given count no more, while it is asked about anew. "
        + " ".join(f"`{reason}`: {what}" for reason, what in LAPSES.items())
    )
    approvals: list[PayoutApproval]
    approvals_required: int
    approval_expires_at: Seconds
    policy_decision: PolicyDecision
    next_action: SignApproval | None
    mandate: str | None = Field(description="Under which it goes out without approvals of its own.")
    batch: str | None
    vault: AddressOut
    vault_id: Atomic | None
    cancellation: PayoutCancellation | None
    transactions: list[PayoutTransaction]
    fee_details: list[NetworkFee] = Field(description="What the network took; not part of the amount.")
    client_reference_id: str | None
    description: str | None
    metadata: dict[str, str]
    livemode: bool
    created: Seconds
    paid_at: Seconds | None
    evidence: PayoutEnded | None
    reissue_of: str | None = Field(description="The payout in whose place this one stands.")
    version: int


class BalancePart(Shape):
    """An amount of one token on one network."""

    amount: Decimal6
    amount_atomic: Atomic
    decimals: int
    currency: str
    network: Caip2
    token: str
    contract: AddressOut


class Balance(Shape):
    """Booked and free; seen, not final; on hold for payouts; received and not applied.

    reserved: of what is available, the part that settlements leave.
    """

    object: Literal["balance"]
    available: list[BalancePart]
    pending: list[BalancePart]
    held: list[BalancePart]
    reserved: list[BalancePart]
    unapplied: list[BalancePart]
    livemode: bool


class Token(Shape):
    """A token by its only identity, network and contract."""

    id: str
    object: Literal["token"]
    network: Caip2
    contract: AddressOut
    currency: str
    name: str
    decimals: int
    accepted: bool
    offered: bool
    suspended: str | None
    livemode: bool


class Network(Shape):
    """A chain we serve."""

    id: Caip2
    object: Literal["network"]
    name: str
    chain_id: int
    finality: Literal["finalized", "safe", "depth"]
    confirmations_required: int | None
    vault: AddressOut | None
    deposit_factory: AddressOut | None
    explorer_url: str | None
    livemode: bool
