"""What a merchant may decide, state by state and reason by reason."""

import pytest

from bascule.domain import choice
from bascule.domain.application import ApplicationEvent, ApplicationState, Reason
from bascule.domain.errors import Conflict
from bascule.domain.machine import TransitionRefused
from bascule.domain.matching import MOST_BELIEVED

UNAPPLIED = ApplicationState.UNAPPLIED
REFUSED = {
    Reason.ORPHANED: "deposit_orphaned",
    Reason.UNSUPPORTED_TOKEN: "deposit_token_unsupported",
    Reason.TEST_MODE: "deposit_mode_mismatch",
    Reason.UNSOLICITED: "deposit_unsolicited",
}


@pytest.mark.parametrize("event", choice.CHOICES)
@pytest.mark.parametrize("reason", Reason)
def test_each_reason_is_the_merchants_to_decide_or_says_why_not(
    reason: Reason, event: ApplicationEvent
) -> None:
    if reason in REFUSED:
        with pytest.raises(Conflict) as refused:
            choice.require(event, UNAPPLIED, reason, 1)
        assert refused.value.code == REFUSED[reason]
        assert choice.next_steps(UNAPPLIED, reason, 1, final=True) == ()
    else:
        choice.require(event, UNAPPLIED, reason, 1)
        assert choice.next_steps(UNAPPLIED, reason, 1, final=True) == choice.CHOICES
        assert choice.next_steps(UNAPPLIED, reason, 1, final=False) == choice.CHOICES[:2], "not final"


@pytest.mark.parametrize("event", choice.CHOICES)
@pytest.mark.parametrize("state", [ApplicationState.APPLIED, ApplicationState.ACCEPTED])
def test_what_is_decided_is_not_decided_again(state: ApplicationState, event: ApplicationEvent) -> None:
    with pytest.raises(TransitionRefused) as refused:
        choice.require(event, state, None, 1)

    assert refused.value.code == "application_unexpected_state"
    assert choice.next_steps(state, None, 1, final=True) == ()


def test_what_was_to_go_back_may_go_back_or_be_kept_and_counts_for_no_intent() -> None:
    open_ones = (ApplicationEvent.ACCEPT, ApplicationEvent.REFUND)
    assert choice.next_steps(ApplicationState.REFUNDED, None, 1, final=True) == open_ones


@pytest.mark.parametrize("event", choice.CHOICES)
@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in REFUSED])
def test_an_amount_beyond_belief_is_not_the_merchants_whatever_else_is_wrong_with_it(
    reason: Reason, event: ApplicationEvent
) -> None:
    with pytest.raises(Conflict) as refused:
        choice.require(event, UNAPPLIED, reason, MOST_BELIEVED + 1)

    assert refused.value.code == "deposit_held"
    assert choice.next_steps(UNAPPLIED, reason, MOST_BELIEVED + 1, final=True) == ()
