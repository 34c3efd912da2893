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
    """Why a payout failed, or was canceled though nobody called it off. In words, with a remedy: FAILURES."""

    DESTINATION_DENYLISTED = "destination_denylisted"
    DESTINATION_NOT_ALLOWED = "destination_not_allowed"
    DESTINATION_IN_COOLOFF = "destination_in_cooloff"
    LIMIT_EXCEEDED = "limit_exceeded"
    APPROVERS_MISSING = "approvers_missing"
    SCREENING_REJECTED = "screening_rejected"
    APPROVAL_REJECTED = "approval_rejected"
    APPROVAL_EXPIRED = "approval_expired"
    TOKEN_PAUSED = "token_paused"  # noqa: S105 - a code
    DESTINATION_FROZEN = "destination_frozen"
    REFUSED_BY_TOKEN = "refused_by_token"  # noqa: S105


class LapseReason(StrEnum):
    """Why approvals that were given count no more, and people are asked anew. In words: LAPSES."""

    APPROVAL_EXPIRED = "approval_expired"
    ROSTER_CHANGED = "roster_changed"
    POLICY_CHANGED = "policy_changed"
    MANDATE_ENDED = "mandate_ended"
    VAULT_MIGRATED = "vault_migrated"
    SIGNER_REFUSED = "signer_refused"


LAPSES = {
    LapseReason.APPROVAL_EXPIRED: "The approvals were over before it could be sent.",
    LapseReason.ROSTER_CHANGED: "The account's approvers changed.",
    LapseReason.POLICY_CHANGED: "The account's policy changed.",
    LapseReason.MANDATE_ENDED: "The mandate it went out under ended.",
    LapseReason.VAULT_MIGRATED: "It is paid from another vault now, and approvals name the vault.",
    LapseReason.SIGNER_REFUSED: "The signer did not sign for it.",
}

C = FailureCode

# What happened, and what to do next.
FAILURES = {
    C.DESTINATION_DENYLISTED: (
        "A denylist names the payee since it was asked for.",
        "Pay another address, or have this one taken off the denylist.",
    ),
    C.DESTINATION_NOT_ALLOWED: (
        "The policy pays only what is in the address book, or verified there, and the payee is not.",
        "Put the address in the address book, have it verified, then ask again.",
    ),
    C.DESTINATION_IN_COOLOFF: (
        "When it was asked for, the payee was too new in the address book for the policy.",
        "Wait until the cool-off of the address is over, then ask again.",
    ),
    C.LIMIT_EXCEEDED: (
        "The policy's limits are below its amount by now.",
        "Ask for less at once, or change the policy.",
    ),
    C.APPROVERS_MISSING: (
        "Fewer people may approve for the account than its amount needs.",
        "Add approvers, or let the policy ask for fewer; then ask again.",
    ),
    C.SCREENING_REJECTED: (
        "The payee stood on a screening list, and compliance rejected the payout.",
        "Talk to compliance; this payee is not paid.",
    ),
    C.APPROVAL_REJECTED: (
        "Somebody who was asked to approve it rejected it.",
        "Clear up why, then ask for a new payout.",
    ),
    C.APPROVAL_EXPIRED: (
        "Too few people approved it in time.",
        "Ask for it again, and have it approved before approval_expires_at.",
    ),
    C.TOKEN_PAUSED: (
        "The token's issuer had paused all transfers.",
        "Wait until the issuer lifts that, then ask for it again (reissue_of).",
    ),
    C.DESTINATION_FROZEN: (
        "The token's issuer lets this payee receive nothing.",
        "Ask the payee for another address, then ask for it again (reissue_of).",
    ),
    C.REFUSED_BY_TOKEN: (
        "The token refused it, and did not say why in words we know.",
        "Look up its transaction; try the payee with a small amount, or another address (reissue_of).",
    ),
}

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
