"""A flush: deposit addresses whose money goes to the collector in one call, and when that is worth it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from bascule.domain.chain import Address
from bascule.domain.machine import Machine

# The lane `CHAIN/sweeper` carries them; its wallet bears the same name.
LANE: Final = "sweeper"

# Gas of a flush, from docs/contracts/gas.md with room for a token behind a proxy: the call itself, and each
# address when its forwarder has to be deployed and when it stands.
GAS_OF_CALL = 40_000
GAS_OF_FIRST = 70_000
GAS_OF_LATER = 30_000

# What a call is given: unused gas costs nothing, too little would make the factory name addresses as failing.
# A hundred addresses stay below 2**24 gas (EIP-7825).
GAS_LIMIT_OF_CALL = 100_000
GAS_LIMIT_OF_ADDRESS = 150_000
ADDRESSES_MAX = 100


class FlushState(StrEnum):
    REQUESTED = "requested"
    IN_TRANSIT = "in_transit"
    DONE = "done"
    REVERTED = "reverted"
    REFUSED = "refused"
    DONE_ELSEWHERE = "done_elsewhere"
    WITHDRAWN = "withdrawn"


class FlushEvent(StrEnum):
    RESERVE = "reserve"
    FINALIZE = "finalize"
    REVERT = "revert"
    REFUSE = "refuse"
    OVERTAKE = "overtake"
    WITHDRAW = "withdraw"


class ItemOutcome(StrEnum):
    """What became of one address; said once."""

    OPEN = "open"
    FLUSHED = "flushed"
    SKIPPED = "skipped"
    REVERTED = "reverted"
    REFUSED = "refused"
    ELSEWHERE = "elsewhere"
    RELEASED = "released"


S, E = FlushState, FlushEvent

FLUSH = Machine(
    "flush",
    FlushState,
    FlushEvent,
    initial=(S.REQUESTED,),
    table={
        (S.REQUESTED, E.RESERVE): S.IN_TRANSIT,
        (S.REQUESTED, E.OVERTAKE): S.DONE_ELSEWHERE,
        (S.REQUESTED, E.WITHDRAW): S.WITHDRAWN,
        (S.IN_TRANSIT, E.FINALIZE): S.DONE,
        (S.IN_TRANSIT, E.REVERT): S.REVERTED,
        (S.IN_TRANSIT, E.REFUSE): S.REFUSED,
    },
    sentences={
        S.REQUESTED: "Its addresses are chosen; no nonce is taken.",
        S.IN_TRANSIT: "A slot of the sweeper carries it.",
        S.DONE: "The call is final; each address says whether it was flushed, skipped or empty.",
        S.REVERTED: "Its nonce is over and nothing was moved; its addresses are planned again.",
        S.REFUSED: "The signer named an address; nothing was signed, the nonce is filled.",
        S.DONE_ELSEWHERE: "Somebody else flushed all of its addresses before a nonce was taken.",
        S.WITHDRAWN: "None of its addresses may be flushed now; nothing was sent.",
    },
)


@dataclass(frozen=True, slots=True)
class Lying:
    """Money at one deposit address. amount: base units; since: block time of its oldest deposit there.

    deployed: its forwarder stands, as it was flushed before.
    """

    address: Address
    amount: int
    since: datetime
    deployed: bool


@dataclass(frozen=True, slots=True)
class Economy:
    """When a flush is worth it. min_amount, min_total: base units; max_cost_bps: of what an address holds;

    coin_price: base units of the token that one wei is worth; None: nobody said, so cost is not judged.
    """

    min_amount: int
    min_total: int
    max_age: timedelta
    max_cost_bps: int
    max_addresses: int
    coin_price: Decimal | None


def due(lying: Sequence[Lying], economy: Economy, *, wei_per_gas: int, now: datetime) -> list[Lying]:
    """The addresses to flush now in one call, the oldest first; none when it is better to wait.

    Age makes small money due; it never makes a flush that costs too much.
    """
    worth = [each for each in lying if _worth(each, economy, wei_per_gas)]
    old = {each.address for each in worth if now - each.since >= economy.max_age}
    ripe = [each for each in worth if each.address in old or each.amount >= economy.min_amount]
    ripe.sort(key=lambda each: (each.since, each.address))
    chosen = ripe[: economy.max_addresses]
    enough = sum(each.amount for each in chosen) >= economy.min_total
    return chosen if enough or any(each.address in old for each in chosen) else []


def gas_limit(addresses: int) -> int:
    """The gas a flush of so many addresses is given."""
    return GAS_LIMIT_OF_CALL + GAS_LIMIT_OF_ADDRESS * addresses


def _worth(each: Lying, economy: Economy, wei_per_gas: int) -> bool:
    """Whether its share of the gas is within bounds, in a call that is full."""
    if economy.coin_price is None:
        return True
    gas = GAS_OF_CALL // economy.max_addresses + (GAS_OF_LATER if each.deployed else GAS_OF_FIRST)
    return gas * wei_per_gas * economy.coin_price * 10_000 <= each.amount * economy.max_cost_bps
