"""What a merchant may decide about money that counts for nothing: apply it, keep it, or give it back."""

from bascule.domain.application import APPLICATION, ApplicationEvent, ApplicationState, Reason
from bascule.domain.errors import Conflict
from bascule.domain.matching import MOST_BELIEVED

CHOICES = (ApplicationEvent.APPLY, ApplicationEvent.ACCEPT, ApplicationEvent.REFUND)

_REFUSALS = {
    Reason.ORPHANED: (
        "deposit_orphaned",
        "The deposit's block left the chain.",
        "Wait until its transaction is mined again; if it never is, there is no money.",
    ),
    Reason.UNSUPPORTED_TOKEN: (
        "deposit_token_unsupported",
        "Nobody here accepts the deposit's token, so it is in no books.",
        "Ask the operator whether it will be; then the deposit is decided anew with the next final block.",
    ),
    Reason.TEST_MODE: (
        "deposit_mode_mismatch",
        "The deposit is test money at a live address, or live money at a test address.",
        "Ask the operator to send it back.",
    ),
    Reason.UNSOLICITED: (
        "deposit_unsolicited",
        "The deposit came to a treasury address; it is the operator's to resolve.",
        None,
    ),
}
_LISTED = (
    "deposit_held",
    "The token's issuer lists the deposit's address, so that nobody can move what lies there.",
    "It is decided anew once the issuer takes the address off its list in a final block.",
)
_SCREENED = (
    "deposit_held",
    "Screening holds the deposit: who sent it stands on a list.",
    "The operator's compliance role releases or rejects it.",
)
_BEYOND_BELIEF = (
    "deposit_held",
    "The deposit is more than can be believed.",
    "Ask the operator to look at the token.",
)


def require(
    event: ApplicationEvent,
    state: ApplicationState,
    reason: Reason | None,
    units: int,
    *,
    listed: bool = False,
    screened: bool = False,
) -> None:
    """Raises: TransitionRefused unless the deposit is unapplied; Conflict, with its own code, by reason.

    units: the deposit in 10^-18 of its currency; listed: its token's issuer names its address;
    screened: screening holds it.
    """
    refusal = _refusal(state, reason, units, listed, screened)
    if refusal is not None:
        code, message, next_step = refusal
        raise Conflict(code, message, next_step=next_step)
    APPLICATION.step(state, event)


def next_steps(
    state: ApplicationState,
    reason: Reason | None,
    units: int,
    *,
    listed: bool = False,
    screened: bool = False,
    final: bool,
) -> tuple[ApplicationEvent, ...]:
    """What `require` lets through; nothing where nothing is to be decided, or not by the merchant.

    final: the deposit is; no other goes back.
    """
    if _refusal(state, reason, units, listed, screened) is not None:
        return ()
    open_ones = CHOICES if final else (ApplicationEvent.APPLY, ApplicationEvent.ACCEPT)
    return tuple(event for event in open_ones if APPLICATION.may(state, event))


def _refusal(
    state: ApplicationState, reason: Reason | None, units: int, listed: bool, screened: bool
) -> tuple[str, str, str | None] | None:
    if screened and (reason is not None or state is ApplicationState.REFUNDED):
        return _SCREENED
    if reason is None:
        return None
    if reason not in _REFUSALS and listed:
        return _LISTED
    return _REFUSALS.get(reason) or (_BEYOND_BELIEF if units > MOST_BELIEVED else None)
