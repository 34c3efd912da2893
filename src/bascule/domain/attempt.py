"""An attempt: one signed byte string for a slot. Its bytes are committed before any node sees them."""

from enum import StrEnum

from bascule.domain.machine import Machine


class AttemptState(StrEnum):
    SIGNED = "signed"
    OFFERED = "offered"
    MINED = "mined"
    FINAL = "final"
    SUPERSEDED = "superseded"


class AttemptEvent(StrEnum):
    OFFER = "offer"
    INCLUDE = "include"
    ORPHAN = "orphan"
    FINALIZE = "finalize"
    SUPERSEDE = "supersede"


S, E = AttemptState, AttemptEvent

ATTEMPT = Machine(
    "attempt",
    AttemptState,
    AttemptEvent,
    initial=(S.SIGNED,),
    table={
        (S.SIGNED, E.OFFER): S.OFFERED,
        (S.SIGNED, E.SUPERSEDE): S.SUPERSEDED,
        (S.OFFERED, E.INCLUDE): S.MINED,
        (S.OFFERED, E.SUPERSEDE): S.SUPERSEDED,
        (S.MINED, E.ORPHAN): S.OFFERED,
        (S.MINED, E.FINALIZE): S.FINAL,
        (S.MINED, E.SUPERSEDE): S.SUPERSEDED,
    },
    sentences={
        S.SIGNED: "The bytes are stored; no node has been offered them.",
        S.OFFERED: "At least one node was offered the bytes.",
        S.MINED: "The tx is in a canonical block.",
        S.FINAL: "Its block is finalised; this attempt consumed the slot.",
        S.SUPERSEDED: "Another attempt of the slot is final; this one can never be mined.",
    },
)
