"""The parameters and answers of payout batches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from bascule.domain import payout_file
from bascule.entrypoints.api.objects import PayoutApproval, PolicyDecision, SignApproval
from bascule.entrypoints.api.params import (
    PAYEE,
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
from bascule.entrypoints.api.shape import Atomic, Caip2, Decimal6, Seconds, Shape

BatchStatus = Literal[
    "validating", "requires_action", "processing", "completed", "completed_with_failures", "canceled",
    "invalid",
]  # fmt: skip


class BatchItem(Params):
    """One payout of a batch."""

    amount: Amount
    currency: Currency
    network: Text200
    to: Payee = Field(validation_alias=PAYEE)
    token: Id | None = None
    client_reference_id: Text200 | None = None
    description: Text1000 | None = None
    mandate: Id | None = None


class BatchCreate(Params):
    """Many payouts, as `items` or as a CSV file; `batch_key` is the Idempotency-Key unless given."""

    items: Annotated[
        list[BatchItem], FormList, Field(min_length=1, max_length=payout_file.LINES_MAX)
    ] | None = None  # fmt: skip
    csv: str | None = None
    mode: Literal["all_or_nothing", "best_effort"] = "all_or_nothing"
    dry_run: bool = False
    batch_key: Annotated[str, StringConstraints(min_length=1, max_length=240)] | None = None
    description: Text1000 | None = None


class BatchList(Listed):
    """Filters of payout batches."""

    status: BatchStatus | None = None


class LineProblem(Shape):
    """What is wrong with a line. A file's header is line 1; of items the first is line 1."""

    line: int
    column: str | None
    code: str
    message: str
    value: str | None = Field(description="As it came, cut short; safe to open in a spreadsheet.")


class BatchTotal(Shape):
    """The sum of one token."""

    token: str
    currency: str
    decimals: int
    amount: Decimal6
    amount_atomic: Atomic


class BatchProgress(Shape):
    """How many payouts are in which state."""

    requires_action: int
    pending: int
    in_transit: int
    paid: int
    failed: int
    canceled: int


class PayoutBatch(Shape):
    """Payouts that are approved by one signature of each approver."""

    id: str | None = Field(description="Null for a dry run: nothing was made.")
    object: Literal["payout_batch"]
    status: BatchStatus
    mode: Literal["all_or_nothing", "best_effort"]
    network: Caip2 | None
    count: int = Field(description="Payouts; lines that are wrong are not among them.")
    totals: list[BatchTotal]
    progress: BatchProgress
    errors: list[LineProblem]
    approvals: list[PayoutApproval]
    approvals_required: int
    approval_expires_at: Seconds | None
    policy_decision: PolicyDecision | None
    next_action: SignApproval | None = Field(description="Null in events: it names every payout.")
    batch_key: str | None
    description: str | None
    livemode: bool
    created: Seconds
    version: int


class BatchTemplate(Shape):
    """What a file begins with."""

    object: Literal["payout_batch_template"]
    columns: list[str]
    required: list[str]
    csv: str


def cells(item: BatchItem) -> dict[str, Any]:
    """An item as the cells of a line."""
    return item.model_dump(exclude_none=True)
