"""What is to be posted, in its order, and how: by the functions that post for everybody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import psycopg

from bascule.domain.errors import Conflict, Halted, Retryable
from bascule.storage import ledger
from bascule.storage.arrays import numbers, texts
from bascule.storage.database import Connection
from bascule.storage.queries import Queries
from bascule.storage.rebuild import chain_facts

_Q = Queries("agenda", package=__package__)


@dataclass(frozen=True, slots=True)
class Fact:
    """Something to be posted. subject: an id, or a transfer's chain/block/index; part: which hold, version,
    or 1 for the end of a screening; at: when it was posted, as far as that is known.
    """

    place: int
    step: str
    subject: str
    part: int
    chain_id: int | None
    block_hash: bytes | None
    log_index: int
    at: datetime


async def fill(conn: Connection, chains: Sequence[int]) -> int:
    """Makes the agenda of these chains; how many facts stand on it."""
    await _Q.run(conn, "make_agenda")
    await _Q.run(conn, "fill", chains=list(chains))
    await _Q.run(conn, "hide")
    return int(await _Q.scalar(conn, "count"))


async def following(conn: Connection, after: int, most: int, *, waiting: bool) -> list[Fact]:
    """The next facts that are not posted. waiting: only of those that had to wait."""
    return [Fact(**row) for row in await _Q.all(conn, "next", after=after, most=most, waiting=waiting)]


async def post(conn: Connection, facts: Sequence[Fact]) -> int:
    """Posts facts in the caller's transaction, each or not at all, and notes why not; how many were posted.

    Deposits that were posted at one time are posted together, unless one of them is refused.
    """
    reasons: dict[int, str | None] = {}
    for group in _together(facts):
        refusal = await _tried(conn, group)
        if refusal is not None and len(group) > 1:
            reasons.update({fact.place: await _tried(conn, [fact]) for fact in group})
        else:
            reasons.update({fact.place: refusal for fact in group})
    await _Q.run(conn, "note", places=numbers(reasons), reasons=texts(reasons.values()))
    return sum(reason is None for reason in reasons.values())


def _together(facts: Sequence[Fact]) -> list[list[Fact]]:
    groups: list[list[Fact]] = []
    for fact in facts:
        before = groups[-1][0] if groups else None
        if before is not None and fact.step == before.step == "deposit" and fact.at == before.at:
            groups[-1].append(fact)
        else:
            groups.append([fact])
    return groups


async def _tried(conn: Connection, facts: list[Fact]) -> str | None:
    """None, or why it was refused; the transaction stays usable."""
    try:
        async with conn.transaction():
            await STEPS[facts[0].step](conn, facts)
    except (Retryable, Halted, Conflict, psycopg.Error) as refusal:
        return " ".join(str(refusal).split())
    return None


async def _opening(conn: Connection, facts: list[Fact]) -> None:
    await ledger.post_opening(conn, facts[0].subject)


async def _deposit(conn: Connection, facts: list[Fact]) -> None:
    await ledger.post_deposits(conn, [fact.subject for fact in facts])


async def _application(conn: Connection, facts: list[Fact]) -> None:
    await chain_facts.decide(conn, facts[0].subject)
    await ledger.post_application(conn, facts[0].subject)


async def _screening(conn: Connection, facts: list[Fact]) -> None:
    state = "released" if facts[0].part else "open"
    if state == "open":
        await _Q.run(conn, "advance_others", id=facts[0].subject)
    await _Q.run(conn, "advance_screening", id=facts[0].subject, state=state)
    await ledger.post_screening(conn, facts[0].subject)


async def _internal(conn: Connection, facts: list[Fact]) -> None:
    await ledger.post_internal(conn, *_transfer(facts[0]))


async def _outflow(conn: Connection, facts: list[Fact]) -> None:
    chain_id, block_hash, log_index = _transfer(facts[0])
    await _Q.run(conn, "unname", chain_id=chain_id, block_hash=block_hash, log_index=log_index)
    await ledger.post_outflow(conn, chain_id, block_hash, log_index)
    await _Q.run(conn, "rename")


async def _found(conn: Connection, facts: list[Fact]) -> None:
    chain_id, block_hash, log_index = _transfer(facts[0])
    await _Q.run(conn, "show", chain_id=chain_id, block_hash=block_hash, log_index=log_index)
    await ledger.post_found(conn, chain_id, block_hash, log_index)


async def _loss(conn: Connection, facts: list[Fact]) -> None:
    assert facts[0].chain_id is not None, "a loss is of a transfer"
    await ledger.post_losses(conn, facts[0].chain_id)


async def _hold(conn: Connection, facts: list[Fact]) -> None:
    await _stand(conn, facts[0], "pending")
    await ledger.post_hold(conn, facts[0].subject)


async def _release(conn: Connection, facts: list[Fact]) -> None:
    await _stand(conn, facts[0], "canceled")
    await ledger.post_release(conn, facts[0].subject)


async def _payout(conn: Connection, facts: list[Fact]) -> None:
    await _stand(conn, facts[0], "paid")
    await ledger.post_payouts(conn, [facts[0].subject])


async def _refund(conn: Connection, facts: list[Fact]) -> None:
    await _Q.run(conn, "advance_refund", id=facts[0].subject)
    await ledger.post_refund(conn, facts[0].subject)


async def _gas(conn: Connection, facts: list[Fact]) -> None:
    await ledger.post_gas(conn, bytes.fromhex(facts[0].subject))


async def _version(conn: Connection, facts: list[Fact]) -> None:
    await _Q.run(conn, "begin_version", subject=facts[0].subject, version=facts[0].part)


async def _stand(conn: Connection, fact: Fact, state: str) -> None:
    await _Q.run(conn, "advance_payout", id=fact.subject, state=state, holds=fact.part)


def _transfer(fact: Fact) -> tuple[int, bytes, int]:
    assert fact.chain_id is not None, "a transfer is of a chain"
    assert fact.block_hash is not None, "a transfer is in a block"
    return fact.chain_id, fact.block_hash, fact.log_index


STEPS: Final[Mapping[str, Callable[[Connection, list[Fact]], Awaitable[None]]]] = {
    "opening": _opening,
    "deposit": _deposit,
    "application": _application,
    "screening": _screening,
    "internal": _internal,
    "outflow": _outflow,
    "found": _found,
    "loss": _loss,
    "hold": _hold,
    "release": _release,
    "payout": _payout,
    "refund": _refund,
    "gas": _gas,
    "version": _version,
}
