"""A payout batch: payouts asked for together, approved by one signature each, and followed together."""

from enum import StrEnum

from bascule.domain.machine import Machine


class BatchState(StrEnum):
    VALIDATING = "validating"
    REQUIRES_ACTION = "requires_action"
    PROCESSING = "processing"
    COMPLETED = "completed"
    COMPLETED_WITH_FAILURES = "completed_with_failures"
    CANCELED = "canceled"
    INVALID = "invalid"


class BatchEvent(StrEnum):
    VALIDATE = "validate"
    AUTHORIZE = "authorize"
    INVALIDATE = "invalidate"
    APPROVE = "approve"
    CANCEL = "cancel"
    EXPIRE = "expire"
    COMPLETE = "complete"
    FALL_SHORT = "fall_short"


S, E = BatchState, BatchEvent

PAYOUT_BATCH = Machine(
    "payout_batch",
    BatchState,
    BatchEvent,
    initial=(S.VALIDATING,),
    table={
        (S.VALIDATING, E.VALIDATE): S.REQUIRES_ACTION,
        (S.VALIDATING, E.AUTHORIZE): S.PROCESSING,
        (S.VALIDATING, E.INVALIDATE): S.INVALID,
        (S.REQUIRES_ACTION, E.APPROVE): S.PROCESSING,
        (S.REQUIRES_ACTION, E.CANCEL): S.CANCELED,
        (S.REQUIRES_ACTION, E.EXPIRE): S.CANCELED,
        (S.PROCESSING, E.COMPLETE): S.COMPLETED,
        (S.PROCESSING, E.FALL_SHORT): S.COMPLETED_WITH_FAILURES,
    },
    sentences={
        S.VALIDATING: "Its lines are being checked; nothing is held.",
        S.REQUIRES_ACTION: "Its payouts wait for approvals; people sign for all at once, or call it off.",
        S.PROCESSING: "It is approved and its payouts are on their way.",
        S.COMPLETED: "Every payout is paid.",
        S.COMPLETED_WITH_FAILURES: "Every payout has ended, and not all of them are paid.",
        S.CANCELED: "It was called off, or nobody approved it in time; none of its payouts can be paid.",
        S.INVALID: "A line is wrong and all or nothing was asked for: a dry run says so, nothing is made.",
    },
)
