"""A payout: money out of one account to one address, attempted on chain at most once per vault id."""

from enum import StrEnum

from bascule.domain.machine import Machine


class PayoutState(StrEnum):
    REQUIRES_ACTION = "requires_action"
    PENDING = "pending"
    IN_TRANSIT = "in_transit"
    PAID = "paid"
    FAILED = "failed"
    CANCELED = "canceled"


class PayoutEvent(StrEnum):
    APPROVE = "approve"
    LAPSE = "lapse"
    REJECT = "reject"
    CANCEL = "cancel"
    EXPIRE = "expire"
    DENY = "deny"
    RESERVE = "reserve"
    RELEASE = "release"
    RETIRE = "retire"
    REFUSE = "refuse"
    FINALIZE = "finalize"


class FailureCode(StrEnum):
    """Why a payout did not pay."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    DESTINATION_DENYLISTED = "destination_denylisted"
    DESTINATION_IS_TOKEN_CONTRACT = "destination_is_token_contract"  # noqa: S105 - a code
    DESTINATION_IS_OURS = "destination_is_ours"
    TOKEN_PAUSED = "token_paused"  # noqa: S105
    AMOUNT_TOO_LARGE = "amount_too_large"
    LIMIT_EXCEEDED = "limit_exceeded"
    GAS_CAP_EXCEEDED = "gas_cap_exceeded"
    REFUSED_BY_TOKEN = "refused_by_token"  # noqa: S105
    SCREENING_REJECTED = "screening_rejected"
    APPROVAL_REJECTED = "approval_rejected"
    APPROVAL_EXPIRED = "approval_expired"


S, E = PayoutState, PayoutEvent

PAYOUT = Machine(
    "payout",
    PayoutState,
    PayoutEvent,
    initial=(S.REQUIRES_ACTION, S.PENDING),
    table={
        (S.REQUIRES_ACTION, E.APPROVE): S.PENDING,
        (S.REQUIRES_ACTION, E.REJECT): S.CANCELED,
        (S.REQUIRES_ACTION, E.CANCEL): S.CANCELED,
        (S.REQUIRES_ACTION, E.EXPIRE): S.CANCELED,
        (S.PENDING, E.LAPSE): S.REQUIRES_ACTION,
        (S.PENDING, E.CANCEL): S.CANCELED,
        (S.PENDING, E.DENY): S.FAILED,
        (S.PENDING, E.RESERVE): S.IN_TRANSIT,
        (S.PENDING, E.RETIRE): S.CANCELED,
        (S.IN_TRANSIT, E.LAPSE): S.REQUIRES_ACTION,
        (S.IN_TRANSIT, E.RELEASE): S.PENDING,
        (S.IN_TRANSIT, E.CANCEL): S.CANCELED,
        (S.IN_TRANSIT, E.RETIRE): S.CANCELED,
        (S.IN_TRANSIT, E.REFUSE): S.FAILED,
        (S.IN_TRANSIT, E.FINALIZE): S.PAID,
    },
    sentences={
        S.REQUIRES_ACTION: "Approvals are missing; people have to sign, reject or cancel.",
        S.PENDING: "Approved and held in the books; it waits for a place in a batch.",
        S.IN_TRANSIT: "It has a vault id and a slot; only finalised chain facts decide what comes next.",
        S.PAID: "The vault's outcome event and the token's Transfer are final; the money is at the payee.",
        S.FAILED: "Policy denied it, or the token refused it at finality; the hold is released.",
        S.CANCELED: "It was called off while it could be, and can never be paid.",
    },
)
