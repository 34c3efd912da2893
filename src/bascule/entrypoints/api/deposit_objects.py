"""The shape of a deposit in answers, for the OpenAPI document; tests hold every answer against it."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from bascule.entrypoints.api.params import DepositStatus, UnappliedReason
from bascule.entrypoints.api.shape import AddressOut, Atomic, Caip2, Decimal6, HashOut, Seconds, Shape


class DepositApplication(Shape):
    """What a deposit counts for."""

    payment_intent: str | None
    status: Literal["applied", "refunded", "accepted"]
    amount_applied: Decimal6 | None
    amount_applied_atomic: Atomic


class EvidenceReference(Shape):
    """How a final deposit is verified, and where its evidence is."""

    verified: Literal["receipts", "quorum"]
    url: str


class PlatformFee(Shape):
    """What the platform kept of a deposit: a share, and a fixed part with the first of an intent."""

    type: Literal["platform_fee"]
    amount: Decimal6
    amount_atomic: Atomic
    currency: str
    bps: int
    share: Decimal6
    fixed: Decimal6
    version: int


class AmountChanged(Shape):
    """What the deposit's transaction moved when it was mined before, in a block that left the chain."""

    before: Decimal6 | None
    before_atomic: Atomic


class Deposit(Shape):
    """Money that arrived at an address of ours."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    id: str
    object: Literal["deposit"]
    kind: Literal["payment", "capital", "unsolicited"]
    network: Caip2
    token: str | None
    contract: AddressOut
    currency: str | None
    amount: Decimal6 | None
    amount_atomic: Atomic
    amount_changed: AmountChanged | None = Field(
        description="Set once its transaction was mined again after a reorg and moved another amount."
    )
    decimals: int | None
    tx_hash: HashOut | None = Field(description="Null for native coin, which is noticed by its balance.")
    log_index: int | None
    block_number: int
    block_hash: HashOut
    block_time: Seconds
    source: AddressOut | None = Field(alias="from")
    destination: AddressOut = Field(alias="to")
    status: DepositStatus
    confirmations: int | None
    confirmations_required: int | None
    finalized_at: Seconds | None
    application: DepositApplication | None
    fee: Decimal6 | None = Field(description="What the platform kept; null where nothing, or not yet.")
    net: Decimal6 | None = Field(description="What was credited, less the fee.")
    fee_details: list[PlatformFee]
    unapplied_reason: UnappliedReason | None
    next_steps: list[Literal["apply", "accept", "refund"]] = Field(
        description="What you may decide about it now."
    )
    evidence: EvidenceReference | None = Field(description="Null before the deposit is final.")
    livemode: bool
    created: Seconds
    version: int
