"""A deposit: one Transfer log to an address of ours, the same one however often it is mined anew."""

from enum import StrEnum

from bascule.domain.machine import Machine


class DepositState(StrEnum):
    DETECTED = "detected"
    FINALIZED = "finalized"
    ORPHANED = "orphaned"


class DepositEvent(StrEnum):
    FINALIZE = "finalize"
    ORPHAN = "orphan"
    RETURN = "return"


S, E = DepositState, DepositEvent

DEPOSIT = Machine(
    "deposit",
    DepositState,
    DepositEvent,
    initial=(S.DETECTED,),
    table={
        (S.DETECTED, E.FINALIZE): S.FINALIZED,
        (S.DETECTED, E.ORPHAN): S.ORPHANED,
        (S.ORPHANED, E.RETURN): S.DETECTED,
    },
    sentences={
        S.DETECTED: "The Transfer is in a block of the canonical chain that may still be reorganised away.",
        S.FINALIZED: "The block is finalised and verified; the money is booked.",
        S.ORPHANED: "The block left the canonical chain; the same transfer may come back in another one.",
    },
)
