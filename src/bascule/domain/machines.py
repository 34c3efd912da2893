"""All machines there are, in the order money meets them; documents and tests are made from this."""

from enum import StrEnum
from typing import Any

from bascule.domain.application import APPLICATION
from bascule.domain.attempt import ATTEMPT
from bascule.domain.authorization import AUTHORIZATION
from bascule.domain.breaks import BREAK
from bascule.domain.delivery import DELIVERY
from bascule.domain.deposit import DEPOSIT
from bascule.domain.flush import FLUSH
from bascule.domain.invoice import INVOICE
from bascule.domain.machine import Machine
from bascule.domain.mandate import MANDATE
from bascule.domain.payment_intent import PAYMENT_INTENT
from bascule.domain.payout import PAYOUT
from bascule.domain.payout_batch import PAYOUT_BATCH
from bascule.domain.refund import REFUND
from bascule.domain.report_run import REPORT_RUN
from bascule.domain.screening import SCREENING
from bascule.domain.settlement import SETTLEMENT
from bascule.domain.slot import SLOT

ALL: tuple[Machine[Any, Any], ...] = (
    DEPOSIT,
    APPLICATION,
    AUTHORIZATION,
    PAYMENT_INTENT,
    PAYOUT,
    PAYOUT_BATCH,
    MANDATE,
    REFUND,
    INVOICE,
    SETTLEMENT,
    SLOT,
    ATTEMPT,
    FLUSH,
    BREAK,
    SCREENING,
    REPORT_RUN,
    DELIVERY,
)


def states_of(name: str) -> type[StrEnum]:
    """The states of the machine called `name`. Raises: KeyError."""
    found: dict[str, type[StrEnum]] = {machine.name: machine.states for machine in ALL}
    return found[name]
