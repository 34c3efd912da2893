"""Rows of requests to call off payouts that are on their way: one for each payout, decided once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from bascule.domain.chain import Address
from bascule.domain.errors import Halted
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row
from bascule.storage.slots import Slot

Q = Queries("cancels")

Outcome = Literal["open", "canceled", "too_late"]


@dataclass(frozen=True, slots=True)
class Request:
    """What became of a request. nonce: of the canceller's slot that carries it, once there is one."""

    payout_id: str
    requested_at: datetime
    nonce: int | None
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Wanted:
    """An id the vault shall never pay."""

    payout_id: str
    vault: Address
    vault_id: int


async def request(
    conn: Connection, payout_id: str, *, chain_id: int, requested_by: str, at: datetime
) -> bool:
    """Somebody asks; False when that was asked before."""
    done = await Q.run(
        conn, "request", payout_id=payout_id, chain_id=chain_id, requested_by=requested_by, requested_at=at
    )
    return done == 1


async def of_payouts(conn: Connection, ids: Sequence[str]) -> dict[str, Request]:
    """The requests there are, by payout."""
    return {row["payout_id"]: Request(**row) for row in await Q.all(conn, "of_payouts", ids=list(ids))}


async def is_open(conn: Connection, payout_id: str) -> bool:
    """Whether somebody asked and nothing has come of it yet."""
    found = (await of_payouts(conn, [payout_id])).get(payout_id)
    return found is not None and found.outcome == "open"


async def waiting(conn: Connection, chain_id: int, limit: int) -> list[Wanted]:
    """The requests that the next slot may carry: those of the vault that was asked first, by rising id."""
    found = [_wanted(row) for row in await Q.all(conn, "waiting", chain_id=chain_id, limit=limit)]
    return sorted((each for each in found if each.vault == found[0].vault), key=lambda each: each.vault_id)


async def of_slot(conn: Connection, slot: Slot) -> list[Wanted]:
    """What a slot calls off, by rising id: the same for ever while it is not final."""
    return [_wanted(row) for row in await Q.all(conn, "of_slot", **slot.key)]


async def take(conn: Connection, payout_id: str, wallet: Address, nonce: int) -> None:
    """A slot carries the request; Halted when another one does."""
    if await Q.run(conn, "take", payout_id=payout_id, wallet=wallet, nonce=nonce) != 1:
        raise Halted(f"the request to call off {payout_id} has a slot already")


async def put_back(conn: Connection, payout_id: str) -> None:
    """The slot did nothing: an open request waits for another one."""
    await Q.run(conn, "put_back", payout_id=payout_id)


async def decide(conn: Connection, payout_id: str, outcome: Outcome, at: datetime) -> bool:
    """What became of an open request; False when there is none."""
    return await Q.run(conn, "decide", payout_id=payout_id, outcome=outcome, at=at) == 1


async def decide_all(conn: Connection, payout_ids: Sequence[str], outcome: Outcome, at: datetime) -> int:
    """What became of those requests of some payouts that are open; how many they are."""
    return await Q.run(conn, "decide_all", payout_ids=list(payout_ids), outcome=outcome, at=at)


async def left_over(conn: Connection, payout_id: str) -> bool:
    """Whether the payout's last batch is final and skipped its id, as that was used before."""
    return bool(await Q.scalar(conn, "left_over", payout_id=payout_id))


def _wanted(row: Row) -> Wanted:
    return Wanted(row["payout_id"], Address(bytes(row["vault"])), int(row["vault_id"]))
