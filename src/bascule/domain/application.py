"""The application of a deposit: which intent its money counts for, or why for none.

Nothing is dropped: money without a home is an unapplied deposit with a reason.
"""

from enum import StrEnum

from bascule.domain.machine import Machine, TransitionRefused


class ApplicationState(StrEnum):
    UNAPPLIED = "unapplied"
    APPLIED = "applied"
    REFUNDED = "refunded"
    ACCEPTED = "accepted"


class ApplicationEvent(StrEnum):
    APPLY = "apply"
    ORPHAN = "orphan"
    HOLD = "hold"
    REFUND = "refund"
    ACCEPT = "accept"


class Reason(StrEnum):
    """Why a deposit counts for no intent."""

    ORPHANED = "orphaned"
    NO_INTENT = "no_intent"
    INTENT_CLOSED = "intent_closed"
    ALREADY_PAID = "already_paid"
    WRONG_TOKEN = "wrong_token"  # noqa: S105 - a reason, not a secret
    WRONG_CHAIN = "wrong_chain"
    UNSUPPORTED_TOKEN = "unsupported_token"  # noqa: S105
    DUST = "dust"
    BELOW_MINIMUM = "below_minimum"
    HELD = "held"
    UNSOLICITED = "unsolicited"
    TEST_MODE = "test_mode"


REASON_SENTENCES: dict[Reason, str] = {
    Reason.ORPHANED: "Its block left the canonical chain; nothing can be done with it meanwhile.",
    Reason.NO_INTENT: "The address is ours, but we know no intent that was shown with it.",
    Reason.INTENT_CLOSED: "The intent was canceled, or the block is later than its closing time.",
    Reason.ALREADY_PAID: "The intent was covered in full before this transfer.",
    Reason.WRONG_TOKEN: "A token we know, but not one that this intent accepts.",
    Reason.WRONG_CHAIN: "The intent does not accept payment on this chain.",
    Reason.UNSUPPORTED_TOKEN: "A token nobody here accepts; listed, and booked only if it is accepted later.",
    Reason.DUST: "Less than the token's dust floor, and not the last part that was missing.",
    Reason.BELOW_MINIMUM: "Less than the token's smallest payment, and not the last part that was missing.",
    Reason.HELD: "A rule holds it until a person decides.",
    Reason.UNSOLICITED: "It arrived at a treasury address from nobody we know.",
    Reason.TEST_MODE: "Test money at an address of the live mode, or the reverse.",
}

S, E = ApplicationState, ApplicationEvent

APPLICATION = Machine(
    "application",
    ApplicationState,
    ApplicationEvent,
    initial=(S.UNAPPLIED, S.APPLIED),
    table={
        (S.UNAPPLIED, E.APPLY): S.APPLIED,
        (S.APPLIED, E.ORPHAN): S.UNAPPLIED,
        (S.APPLIED, E.HOLD): S.UNAPPLIED,
        (S.ACCEPTED, E.HOLD): S.UNAPPLIED,
        (S.UNAPPLIED, E.REFUND): S.REFUNDED,
        (S.UNAPPLIED, E.ACCEPT): S.ACCEPTED,
        (S.REFUNDED, E.REFUND): S.REFUNDED,
        (S.REFUNDED, E.ACCEPT): S.ACCEPTED,
    },
    sentences={
        S.UNAPPLIED: "The money counts for no intent, and the reason says why.",
        S.APPLIED: "The money counts for its intent, whole.",
        S.REFUNDED: "The money goes back by a refund; it may be kept if that was called off.",
        S.ACCEPTED: "The merchant keeps the money without an intent.",
    },
)


def step_application(
    state: ApplicationState, event: ApplicationEvent, reason: Reason | None
) -> ApplicationState:
    """As APPLICATION.step, and nothing moves while the deposit's block is orphaned.

    reason: why the application is unapplied, or None when it is not.
    Raises: TransitionRefused.
    """
    if reason is Reason.ORPHANED:
        raise TransitionRefused(
            machine=APPLICATION.name,
            state=f"{state} ({reason})",
            event=event,
            sources=APPLICATION.sources(event),
        )
    return APPLICATION.step(state, event)
