"""A slot: one nonce of one wallet on one chain, owned by one piece of content for ever."""

from enum import StrEnum

from bascule.domain.machine import Machine


class SlotState(StrEnum):
    RESERVED = "reserved"
    SIGNED = "signed"
    BROADCAST = "broadcast"
    MINED = "mined"
    FINAL = "final"


class SlotEvent(StrEnum):
    SIGN = "sign"
    REFUSE = "refuse"
    OFFER = "offer"
    INCLUDE = "include"
    ORPHAN = "orphan"
    FINALIZE = "finalize"
    LOSE = "lose"


class SlotKind(StrEnum):
    """What a slot carries; `refuse` turns a never-signed slot into a fill, nothing else changes it."""

    PAY = "pay"
    FILL = "fill"
    SERVICE = "service"


S, E = SlotState, SlotEvent

SLOT = Machine(
    "slot",
    SlotState,
    SlotEvent,
    initial=(S.RESERVED,),
    table={
        (S.RESERVED, E.SIGN): S.SIGNED,
        (S.RESERVED, E.REFUSE): S.RESERVED,
        (S.SIGNED, E.OFFER): S.BROADCAST,
        (S.BROADCAST, E.INCLUDE): S.MINED,
        (S.RESERVED, E.LOSE): S.FINAL,
        (S.SIGNED, E.LOSE): S.FINAL,
        (S.BROADCAST, E.LOSE): S.FINAL,
        (S.MINED, E.ORPHAN): S.BROADCAST,
        (S.MINED, E.FINALIZE): S.FINAL,
    },
    sentences={
        S.RESERVED: "The nonce is taken; nothing was signed, so a refusal may still make it a self-send.",
        S.SIGNED: "The signer has committed its content; only its fee may change from here.",
        S.BROADCAST: "At least one node was offered its bytes; what the node answered decides nothing.",
        S.MINED: "One of its attempts is in a canonical block.",
        S.FINAL: "Its block is final, or it has none: a stranger used the nonce, or its wallet ended.",
    },
)
