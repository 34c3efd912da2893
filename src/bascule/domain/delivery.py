"""A delivery: one event on its way to one webhook endpoint. A replay is a new delivery."""

from enum import StrEnum

from bascule.domain.machine import Machine


class DeliveryState(StrEnum):
    SCHEDULED = "scheduled"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"


class DeliveryEvent(StrEnum):
    DELIVER = "deliver"
    EXHAUST = "exhaust"


S, E = DeliveryState, DeliveryEvent

DELIVERY = Machine(
    "delivery",
    DeliveryState,
    DeliveryEvent,
    initial=(S.SCHEDULED,),
    table={
        (S.SCHEDULED, E.DELIVER): S.DELIVERED,
        (S.SCHEDULED, E.EXHAUST): S.EXHAUSTED,
    },
    sentences={
        S.SCHEDULED: "The next attempt has a time.",
        S.DELIVERED: "The endpoint answered with a 2xx.",
        S.EXHAUSTED: "All attempts are used up, or the endpoint is gone; it is listed until replayed.",
    },
)
