"""Rows of slots: one nonce of one wallet, one content for ever, and the payouts that stand in it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from bascule.domain.chain import Address, Hash
from bascule.domain.errors import Halted
from bascule.domain.fees import Fees
from bascule.domain.slot import SLOT, SlotEvent, SlotKind, SlotState
from bascule.domain.slot_stuck import Stuck
from bascule.storage import arrays
from bascule.storage.database import Connection
from bascule.storage.lanes import Lane
from bascule.storage.queries import Queries, Row

Q = Queries("slots")

Outcome = Literal["open", "paid", "refused", "skipped", "released"]


@dataclass(frozen=True, slots=True)
class BatchTerms:
    """What a batch of payouts was reserved under."""

    vault: Address
    lane: int
    token: Address
    word: int
    expected_head: Hash
    deadline: datetime


@dataclass(frozen=True, slots=True)
class Slot:
    """One nonce. fees: what the signer is asked for next; stuck: why it does not move by itself.

    A fill keeps the terms of the batch it was.
    """

    chain_id: int
    wallet: Address
    nonce: int
    kind: SlotKind
    state: SlotState
    epoch: int
    terms: BatchTerms | None
    fees: Fees
    created_at: datetime
    stuck: Stuck | None = None

    @property
    def key(self) -> dict[str, object]:
        """The slot's primary key as query parameters."""
        return {"chain_id": self.chain_id, "wallet": self.wallet, "nonce": self.nonce}

    @property
    def batch(self) -> BatchTerms:
        """The terms of a pay slot. Raises: Halted when the slot is no batch."""
        if self.terms is None:
            raise Halted(f"slot {self.nonce} of 0x{self.wallet.hex()} is no batch of payouts")
        return self.terms


@dataclass(frozen=True, slots=True)
class SlotItem:
    """A payout at its bit (0 to 255) of the slot's word."""

    position: int
    payout_id: str
    outcome: Outcome


async def insert_pay(
    conn: Connection,
    lane: Lane,
    *,
    nonce: int,
    epoch: int,
    token: Address,
    word: int,
    deadline: datetime,
    fees: Fees,
    items: Mapping[int, str],
    total: int,
) -> None:
    """A batch of payouts by bit owns a nonce of the lane's wallet, built on the lane's head.

    total: base units of all its items.
    """
    await Q.run(
        conn,
        "insert_pay",
        chain_id=lane.chain_id,
        wallet=lane.wallet,
        nonce=nonce,
        epoch=epoch,
        vault=lane.vault,
        lane=lane.lane,
        token=token,
        word=word,
        expected_head=lane.head,
        deadline=deadline,
        max_fee_per_gas=fees.max_fee_per_gas,
        max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
        gas=fees.gas,
        total=total,
        positions=arrays.numbers(items.keys()),
        payout_ids=arrays.texts(items.values()),
    )


async def insert_service(
    conn: Connection, chain_id: int, wallet: Address, *, nonce: int, epoch: int, fees: Fees
) -> None:
    """A call of a service wallet owns a nonce; what it calls is kept by whoever asked for it."""
    await Q.run(
        conn,
        "insert_service",
        chain_id=chain_id,
        wallet=wallet,
        nonce=nonce,
        epoch=epoch,
        max_fee_per_gas=fees.max_fee_per_gas,
        max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
        gas=fees.gas,
    )


async def unfinished(conn: Connection, chain_id: int, wallet: Address) -> list[Slot]:
    """The wallet's slots that are not final, lowest nonce first."""
    return [_slot(row) for row in await Q.all(conn, "unfinished", chain_id=chain_id, wallet=wallet)]


async def restless(conn: Connection, chain_id: int, wallet: Address) -> list[Slot]:
    """The wallet's slots of which something may be to be done, lowest nonce first."""
    return [_slot(row) for row in await Q.all(conn, "restless", chain_id=chain_id, wallet=wallet)]


async def cost_lately(conn: Connection, chain_id: int, vault: Address) -> Decimal | None:
    """Wei that one payout of a vault took in its lanes' last batches; None before the first."""
    wei: Decimal | None = await Q.scalar(conn, "cost_lately", chain_id=chain_id, vault=vault)
    return wei


async def lock(conn: Connection, chain_id: int, wallet: Address, nonce: int) -> Slot:
    """One slot, locked until the transaction ends."""
    return _slot(await Q.one(conn, "lock", chain_id=chain_id, wallet=wallet, nonce=nonce))


async def get(conn: Connection, slot: Slot) -> Slot:
    """The slot as it stands now."""
    return _slot(await Q.one(conn, "get", **slot.key))


async def find(conn: Connection, chain_id: int, wallet: Address, nonce: int) -> Slot | None:
    """The slot of a nonce; None when we never took it."""
    row = await Q.maybe(conn, "get", chain_id=chain_id, wallet=wallet, nonce=nonce)
    return None if row is None else _slot(row)


async def items(conn: Connection, slot: Slot) -> list[SlotItem]:
    """The slot's payouts in the order of their bits."""
    return [SlotItem(**row) for row in await Q.all(conn, "items", **slot.key)]


async def of_payout(conn: Connection, payout_id: str) -> list[Slot]:
    """Every slot the payout ever stood in, oldest first."""
    return [_slot(row) for row in await Q.all(conn, "of_payout", payout_id=payout_id)]


async def advance(conn: Connection, slot: Slot, *events: SlotEvent) -> SlotState:
    """Moves a locked slot along its machine, one event after the other; returns where it stands."""
    state = slot.state
    for event in events:
        state = SLOT.step(state, event)
    if await Q.run(conn, "advance", **slot.key, from_=slot.state, to=state) != 1:
        raise Halted(f"slot {slot.nonce} of 0x{slot.wallet.hex()} is not {slot.state} under its own lock")
    return state


async def advance_refused(conn: Connection, slot: Slot, *, gas: int) -> None:
    """What was refused becomes a fill of the same nonce, which needs only `gas`."""
    SLOT.step(slot.state, SlotEvent.REFUSE)
    if await Q.run(conn, "advance_refused", **slot.key, gas=gas) != 1:
        raise Halted(f"slot {slot.nonce} of 0x{slot.wallet.hex()} is not reserved; it cannot become a fill")


async def ask_fees(conn: Connection, slot: Slot, fees: Fees) -> bool:
    """The signer will be asked for these fees; False when the slot already asks for as much."""
    changed = await Q.run(
        conn,
        "ask_fees",
        **slot.key,
        max_fee_per_gas=fees.max_fee_per_gas,
        max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
    )
    return changed == 1


async def mark_stuck(conn: Connection, slot: Slot, stuck: Stuck | None) -> bool:
    """The slot says why it does not move by itself; False when it said so before."""
    return await Q.run(conn, "mark_stuck", **slot.key, stuck=stuck) == 1


async def quote_anew(conn: Connection, slot: Slot, fees: Fees) -> bool:
    """The signer will be asked for these fees, lower or not; False once bytes of the slot are kept."""
    changed = await Q.run(
        conn,
        "quote_anew",
        **slot.key,
        max_fee_per_gas=fees.max_fee_per_gas,
        max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
    )
    return changed == 1


async def decide_items(conn: Connection, slot: Slot, positions: Collection[int], outcome: Outcome) -> None:
    """What became of the items at these bits; Halted when that was said of one before."""
    decided = await Q.run(
        conn, "decide_items", **slot.key, positions=arrays.numbers(positions), outcome=outcome
    )
    if decided != len(positions):
        raise Halted(
            f"{len(positions) - decided} of items {sorted(positions)} of slot {slot.nonce} of"
            f" 0x{slot.wallet.hex()} were decided before"
        )


def _slot(row: Row) -> Slot:
    fees = Fees(
        max_fee_per_gas=int(row["max_fee_per_gas"]),
        max_priority_fee_per_gas=int(row["max_priority_fee_per_gas"]),
        gas=row["gas"],
    )
    return Slot(
        chain_id=row["chain_id"],
        wallet=Address(bytes(row["wallet"])),
        nonce=row["nonce"],
        kind=SlotKind(row["kind"]),
        state=SlotState(row["state"]),
        epoch=row["epoch"],
        terms=None if row["vault"] is None else _terms(row),
        fees=fees,
        created_at=row["created_at"],
        stuck=None if row["stuck"] is None else Stuck(row["stuck"]),
    )


def _terms(row: Row) -> BatchTerms:
    return BatchTerms(
        vault=Address(bytes(row["vault"])),
        lane=row["lane"],
        token=Address(bytes(row["token"])),
        word=int(row["word"]),
        expected_head=Hash(bytes(row["expected_head"])),
        deadline=row["deadline"],
    )
