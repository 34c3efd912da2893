"""The parameters and answers of test helpers."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import BeforeValidator, ConfigDict, Field, ValidationInfo, create_model

from bascule.entrypoints.api.params import AddressText, Amount, Currency, FormList, Id, Paged, Params, Text200
from bascule.entrypoints.api.shape import AddressOut, Atomic, Caip2, HashOut, Shape
from bascule.entrypoints.devchain.faults.vocabulary import KINDS, SELECTION

BLOCKS_MAX = 1_000
# Without those that need a second node.
_LOCAL_KINDS = {name: kind for name, kind in KINDS.items() if not kind.second_node}
# 2**60 wei is more than 10**9 gwei: far above every fee ceiling, and below every overflow.
BASE_FEE_MAX = 2**60
Blocks = Annotated[int, Field(ge=1, le=BLOCKS_MAX)]


class OnNetwork(Params):
    """Which development network; needed only where an installation has several."""

    network: Text200 | None = None


class FaultList(OnNetwork, Paged):
    """Which of a network's faults."""


class SandboxPay(OnNetwork):
    """A payment; what is left out is chosen to fit: all that is missing, in the first accepted token."""

    amount: Amount = None
    token: Id | None = None
    payer: AddressText = Field(default=None, validation_alias="from")


class SandboxFaucet(OnNetwork):
    """Test tokens, or the chain's own coin, for anybody: by token or by currency."""

    amount: Amount
    to: AddressText
    token: Id | None = None
    currency: Currency | None = None


class SandboxBlacklist(OnNetwork):
    """Whom a test token pays no more, or again: by token or by currency."""

    address: AddressText
    token: Id | None = None
    currency: Currency | None = None
    lifted: bool = False


class ChainMine(OnNetwork):
    """How many blocks."""

    blocks: Blocks = 1


class ChainReorg(OnNetwork):
    """How many blocks are replaced, and which of their transactions do not come back."""

    depth: Blocks
    drop: Annotated[list[Text200], FormList, Field(max_length=100)] = []


class ChainGasSpike(OnNetwork):
    """Either a factor on the present base fee, or the base fee itself in wei."""

    factor: Annotated[int, Field(ge=2, le=10_000)] | None = None
    base_fee: Annotated[int, Field(ge=1, le=BASE_FEE_MAX)] | None = None
    blocks: Blocks = 10


class ChainDropTx(OnNetwork):
    """Which waiting transaction."""

    tx_hash: Text200


def _from_form(value: Any, info: ValidationInfo) -> Any:
    """A form's values are text: what reads as JSON is meant as JSON."""
    if not (info.context or {}).get("form") or not isinstance(value, str):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value


def _member(meaning: str) -> Any:
    return Annotated[Any, BeforeValidator(_from_form), Field(default=None, description=meaning)]


class _FaultKind(OnNetwork):
    kind: Annotated[Text200, Field(description=f"One of {', '.join(_LOCAL_KINDS)}.")]
    methods: Annotated[list[Text200], FormList, Field(max_length=100)] | None = None


# The node's own vocabulary: a parameter exists here as soon as it does there, and the node reads its value.
ChainFault: type[_FaultKind] = create_model(
    "ChainFault",
    __base__=_FaultKind,
    __doc__="A fault of the node: its kind, whom it hits, and what its kind takes.",
    **{
        name: _member(parameter.meaning)
        for kind in _LOCAL_KINDS.values()
        for name, parameter in {**SELECTION, **kind.parameters}.items()
        if name != "methods"
    },
)


class ChainPauseRpc(OnNetwork):
    """For how many seconds."""

    seconds: Annotated[float, Field(ge=0.1, le=600)] = 10.0


class TestClockAdvance(Params):
    """How far time goes on for the account's test objects."""

    seconds: Annotated[int, Field(description="From 1 to 31622400, which is 366 days.")]


class EventTrigger(Params):
    """Which event; one of those that a payment intent can be brought to tell."""

    type: Literal[
        "payment_intent.created",
        "payment_intent.canceled",
        "payment_intent.partially_funded",
        "payment_intent.processing",
        "payment_intent.succeeded",
        "payment_intent.overpaid",
        "deposit.detected",
        "deposit.finalized",
        "deposit.unapplied",
    ]


class SentTransaction(Shape):
    """A transaction that was sent; a block carries it soon."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    object: Literal["test_helpers.transaction"]
    network: Caip2
    tx_hash: HashOut
    token: str
    currency: str
    amount_atomic: Atomic
    source: AddressOut = Field(alias="from")
    destination: AddressOut = Field(alias="to")


class ChainHead(Shape):
    """The chain's newest block."""

    object: Literal["test_helpers.chain"]
    network: Caip2
    block_number: int
    block_hash: HashOut


class MovedDeadlines(Shape):
    """How many objects of each kind have a deadline that is nearer now."""

    payment_intents: int
    quotes: int
    invoices: int
    refunds: int
    settlements: int
    balance_settings: int
    deliveries: int
    webhook_endpoints: int


class TestClock(Shape):
    """What a span did: to the account's deadlines, and to the chains, which are as late as those now."""

    object: Literal["test_helpers.test_clock"]
    seconds: int
    moved: MovedDeadlines
    heads: list[ChainHead]


class GasSpike(Shape):
    """What gas will cost. base_fee: wei."""

    object: Literal["test_helpers.gas_spike"]
    network: Caip2
    base_fee: Atomic
    blocks: int


class DroppedTransaction(Shape):
    """The pool has forgotten it; whoever has its bytes can send them again."""

    object: Literal["test_helpers.dropped_tx"]
    network: Caip2
    tx_hash: HashOut


class Fault(Shape):
    """A fault that is set. hits: how often it struck, of so many calls it could have."""

    object: Literal["test_helpers.fault"]
    network: Caip2
    id: int
    kind: str
    methods: list[str]
    times: int | None
    calls: int
    hits: int
    spent: bool
    parameters: dict[str, Any]


class ClearedFaults(Shape):
    """The numbers of the faults that ended."""

    object: Literal["test_helpers.cleared_faults"]
    network: Caip2
    cleared: list[int]


class PausedRpc(Shape):
    """A node that says nothing for so long. fault: its number, to end it sooner."""

    object: Literal["test_helpers.paused_rpc"]
    network: Caip2
    seconds: float
    fault: int


class Triggered(Shape):
    """What was made so that the event comes. tx_hash: of the payment, when there is one."""

    object: Literal["test_helpers.trigger"]
    type: str
    payment_intent: str
    tx_hash: HashOut | None
