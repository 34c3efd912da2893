from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from bascule.domain.application import (
    APPLICATION,
    REASON_SENTENCES,
    ApplicationEvent,
    ApplicationState,
    Reason,
    step_application,
)
from bascule.domain.errors import Conflict
from bascule.domain.machine import Machine, TransitionRefused
from bascule.domain.machines import ALL
from tests.support.cases import case

# The tables once more, in other words and by another hand: machine, event, sources, target.
ALLOWED = """
deposit         finalize   detected                       finalized
deposit         orphan     detected                       orphaned
deposit         return     orphaned                       detected
application     apply      unapplied                      applied
application     orphan     applied                        unapplied
application     hold       applied,accepted               unapplied
application     refund     refunded,unapplied             refunded
application     accept     refunded,unapplied             accepted
authorization   include    pending                        included
authorization   orphan     included                       pending
authorization   finalize   included                       settled
authorization   fail       pending                        failed
payment_intent  cover      requires_action                processing
payment_intent  uncover    processing                     requires_action
payment_intent  settle     processing                     succeeded
payment_intent  cancel     requires_action                canceled
payment_intent  close      requires_action                canceled
payout          approve    requires_action                pending
payout          lapse      pending,in_transit             requires_action
payout          reject     requires_action                canceled
payout          cancel     requires_action,pending,in_transit  canceled
payout          expire     requires_action                canceled
payout          deny       pending                        failed
payout          reserve    pending                        in_transit
payout          release    in_transit                     pending
payout          retire     pending,in_transit             canceled
payout          refuse     in_transit                     failed
payout          finalize   in_transit                     paid
payout_batch    validate   validating                     requires_action
payout_batch    authorize  validating                     processing
payout_batch    invalidate validating                     invalid
payout_batch    approve    requires_action                processing
payout_batch    cancel     requires_action                canceled
payout_batch    expire     requires_action                canceled
payout_batch    complete   processing                     completed
payout_batch    fall_short processing                     completed_with_failures
mandate         approve    requires_action                active
mandate         revoke     requires_action                revoked
mandate         expire     requires_action                expired
mandate         revoke     active                         revoked
mandate         expire     active                         expired
refund          claim      requires_action                pending
refund          cancel     requires_action,pending        canceled
refund          expire     requires_action                canceled
refund          succeed    pending                        succeeded
refund          fail       pending                        failed
invoice         finalize   draft                          open
invoice         pay        open,uncollectible             paid
invoice         void       draft,open,uncollectible       void
invoice         mark_uncollectible open                   uncollectible
settlement      complete   scheduled                      completed
settlement      fail       scheduled                      failed
settlement      cancel     scheduled                      canceled
slot            sign       reserved                       signed
slot            refuse     reserved                       reserved
slot            offer      signed                         broadcast
slot            include    broadcast                      mined
slot            orphan     mined                          broadcast
slot            finalize   mined                          final
slot            lose       reserved,signed,broadcast      final
attempt         offer      signed                         offered
attempt         include    offered                        mined
attempt         orphan     mined                          offered
attempt         finalize   mined                          final
attempt         supersede  signed,offered,mined           superseded
flush           reserve    requested                      in_transit
flush           overtake   requested                      done_elsewhere
flush           withdraw   requested                      withdrawn
flush           finalize   in_transit                     done
flush           revert     in_transit                     reverted
flush           refuse     in_transit                     refused
break           resolve    open                           resolved
screening       release    open                           released
screening       reject     open                           rejected
report_run      begin      pending,running                running
report_run      finish     running                        succeeded
report_run      fail       running                        failed
delivery        deliver    scheduled                      delivered
delivery        exhaust    scheduled                      exhausted
"""
FINALS = {
    "deposit": {"finalized"},
    "application": set(),
    "authorization": {"settled", "failed"},
    "payment_intent": {"succeeded", "canceled"},
    "payout": {"paid", "failed", "canceled"},
    "payout_batch": {"completed", "completed_with_failures", "canceled", "invalid"},
    "mandate": {"revoked", "expired"},
    "refund": {"succeeded", "failed", "canceled"},
    "invoice": {"paid", "void"},
    "settlement": {"completed", "failed", "canceled"},
    "slot": {"final"},
    "attempt": {"final", "superseded"},
    "flush": {"done", "reverted", "refused", "done_elsewhere", "withdrawn"},
    "break": {"resolved"},
    "screening": {"released", "rejected"},
    "report_run": {"succeeded", "failed"},
    "delivery": {"delivered", "exhausted"},
}


def allowed() -> dict[tuple[str, str, str], str]:
    table = {}
    for line in ALLOWED.strip().splitlines():
        machine, event, sources, target = line.split()
        for source in sources.split(","):
            table[machine, source, event] = target
    return table


@pytest.mark.parametrize("machine", ALL, ids=lambda machine: machine.name)
def test_each_state_answers_each_event_as_the_architecture_says(machine: Machine[Any, Any]) -> None:
    table = allowed()
    for state, event in product(machine.states, machine.events):
        with case(f"{event} when {state}"):
            require_answer(machine, state, event, table.get((machine.name, state.value, event.value)))


def require_answer(machine: Machine[Any, Any], state: StrEnum, event: StrEnum, target: str | None) -> None:
    """The machine goes to the target, or, where there is none, says all of why not."""
    assert machine.may(state, event) == (target is not None)
    if target is not None:
        assert machine.step(state, event) == target
        return
    with pytest.raises(TransitionRefused) as refused:
        machine.step(state, event)
    assert isinstance(refused.value, Conflict)
    assert (refused.value.machine, refused.value.state, refused.value.event) == (machine.name, state, event)
    assert refused.value.sources == machine.sources(event)
    assert refused.value.code == f"{machine.name}_unexpected_state"


def test_every_line_of_the_architecture_belongs_to_a_machine() -> None:
    made = {(m.name, move.source.value, move.event.value) for m in ALL for move in m.moves}

    assert made == set(allowed())


@pytest.mark.parametrize("machine", ALL, ids=lambda machine: machine.name)
def test_final_states_are_the_named_ones_and_are_never_left(machine: Machine[Any, Any]) -> None:
    assert {state.value for state in machine.finals} == FINALS[machine.name]
    assert not any(machine.may(state, event) for state in machine.finals for event in machine.events)


@pytest.mark.parametrize("machine", ALL, ids=lambda machine: machine.name)
def test_sources_and_targets_of_an_event_agree_with_its_moves(machine: Machine[Any, Any]) -> None:
    for event in machine.events:
        moves = [move for move in machine.moves if move.event == event]
        assert machine.sources(event) == {move.source for move in moves}
        assert machine.targets(event) == {move.target for move in moves}


@pytest.mark.parametrize("machine", ALL, ids=lambda machine: machine.name)
def test_each_state_has_one_sentence(machine: Machine[Any, Any]) -> None:
    for sentence in machine.sentences.values():
        assert sentence[0].isupper()
        assert sentence.endswith(".")
        assert sentence.count(". ") == 0


def test_a_refusal_says_both_sides() -> None:
    refused = TransitionRefused(machine="payout", state="paid", event="cancel", sources={"pending", "a"})

    assert str(refused) == "The payout is paid; cancel needs it to be a or pending."


class Light(StrEnum):
    ON = "on"
    OFF = "off"


class Switch(StrEnum):
    FLIP = "flip"
    BREAK = "break"


@pytest.mark.parametrize(
    ("table", "sentences"),
    [
        ({(Light.OFF, Switch.FLIP): Light.ON}, {Light.ON: "On.", Light.OFF: "Off."}),
        (
            {(Light.OFF, Switch.FLIP): Light.OFF, (Light.OFF, Switch.BREAK): Light.OFF},
            {Light.ON: "On.", Light.OFF: "Off."},
        ),
        ({(Light.OFF, Switch.FLIP): Light.ON, (Light.ON, Switch.BREAK): Light.OFF}, {Light.ON: "On."}),
    ],
    ids=["unused event", "unreachable state", "state without a sentence"],
)
def test_a_machine_with_a_hole_cannot_be_made(
    table: dict[tuple[Light, Switch], Light], sentences: dict[Light, str]
) -> None:
    with pytest.raises(AssertionError):
        Machine("light", Light, Switch, (Light.OFF,), table, sentences)


@pytest.mark.parametrize("event", ApplicationEvent)
def test_an_orphaned_deposit_is_neither_applied_nor_accepted_nor_refunded(event: ApplicationEvent) -> None:
    with pytest.raises(TransitionRefused, match="orphaned"):
        step_application(ApplicationState.UNAPPLIED, event, Reason.ORPHANED)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason is not Reason.ORPHANED])
@pytest.mark.parametrize("event", ApplicationEvent)
def test_other_reasons_leave_the_table_as_it_is(event: ApplicationEvent, reason: Reason) -> None:
    if APPLICATION.may(ApplicationState.UNAPPLIED, event):
        after = step_application(ApplicationState.UNAPPLIED, event, reason)
        assert after == APPLICATION.step(ApplicationState.UNAPPLIED, event)
    else:
        with pytest.raises(TransitionRefused):
            step_application(ApplicationState.UNAPPLIED, event, reason)


def test_each_reason_has_a_sentence() -> None:
    assert set(REASON_SENTENCES) == set(Reason)
