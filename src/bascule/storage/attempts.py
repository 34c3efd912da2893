"""Rows of attempts: signed bytes of a slot, append-only; a later fee is a new attempt of the same slot."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bascule.domain.attempt import ATTEMPT, AttemptEvent, AttemptState
from bascule.domain.chain import Address, Hash
from bascule.domain.errors import Halted
from bascule.domain.fees import Fees
from bascule.storage import arrays
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row
from bascule.storage.slots import Slot

Q = Queries("attempts")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One signed byte string.

    offered_at: since when nodes have had it, anew after an orphaned block; fee_paid: wei, gas used times
    effective price, once in a block.
    """

    tx_hash: Hash
    chain_id: int
    wallet: Address
    nonce: int
    raw: bytes
    fees: Fees
    state: AttemptState
    created_at: datetime
    offered_at: datetime | None
    block_hash: Hash | None
    block_number: int | None
    succeeded: bool | None
    fee_paid: int | None


async def insert(
    conn: Connection, slot: Slot, *, tx_hash: Hash, raw: bytes, fees: Fees, created_at: datetime
) -> Attempt:
    """Keeps the bytes of a slot; the same bytes again change nothing. Locked until the transaction ends."""
    row = await Q.maybe(
        conn,
        "insert",
        **slot.key,
        tx_hash=tx_hash,
        raw=raw,
        max_fee_per_gas=fees.max_fee_per_gas,
        max_priority_fee_per_gas=fees.max_priority_fee_per_gas,
        gas=fees.gas,
        created_at=created_at,
    )
    return await lock(conn, tx_hash) if row is None else _attempt(row)


async def of_slot(conn: Connection, slot: Slot) -> list[Attempt]:
    """Every attempt of the slot, dearest first."""
    return [_attempt(row) for row in await Q.all(conn, "of_slot", **slot.key)]


async def of_payouts(conn: Connection, payout_ids: Iterable[str]) -> dict[str, list[Attempt]]:
    """Every attempt to pay some payouts: oldest slot first, within a slot the dearest first."""
    found: dict[str, list[Attempt]] = {}
    for row in await Q.all(conn, "of_payouts", payout_ids=arrays.texts(payout_ids)):
        found.setdefault(row["payout_id"], []).append(_attempt(row))
    return found


async def lock(conn: Connection, tx_hash: Hash) -> Attempt:
    """One attempt, locked until the transaction ends."""
    return _attempt(await Q.one(conn, "lock", tx_hash=tx_hash))


async def get(conn: Connection, tx_hash: Hash) -> Attempt | None:
    """One attempt, as committed."""
    row = await Q.maybe(conn, "get", tx_hash=tx_hash)
    return _attempt(row) if row else None


async def advance(conn: Connection, attempt: Attempt, event: AttemptEvent) -> None:
    """Moves an attempt along its machine, leaving what it knows of blocks."""
    to = ATTEMPT.step(attempt.state, event)
    _moved(await Q.run(conn, "advance", tx_hash=attempt.tx_hash, from_=attempt.state, to=to), attempt)


async def advance_to_offered(conn: Connection, attempt: Attempt, event: AttemptEvent, at: datetime) -> None:
    """A node was offered the bytes (offer), or their block is orphaned (orphan)."""
    ATTEMPT.step(attempt.state, event)
    _moved(await Q.run(conn, "advance_to_offered", tx_hash=attempt.tx_hash, at=at), attempt)


async def advance_to_mined(
    conn: Connection,
    attempt: Attempt,
    *,
    block_hash: Hash,
    block_number: int,
    succeeded: bool,
    fee_paid: int,
) -> None:
    """The bytes are in a canonical block; being there proves that a node was offered them."""
    state = attempt.state
    if state is AttemptState.SIGNED:
        state = ATTEMPT.step(state, AttemptEvent.OFFER)
    ATTEMPT.step(state, AttemptEvent.INCLUDE)
    moved = await Q.run(
        conn,
        "advance_to_mined",
        tx_hash=attempt.tx_hash,
        block_hash=block_hash,
        block_number=block_number,
        succeeded=succeeded,
        fee_paid=fee_paid,
    )
    _moved(moved, attempt)


async def gas_to_book(conn: Connection, chain_id: int, wallet: Address) -> list[Hash]:
    """Final attempts of a wallet whose fee is not in the journal yet, at most 100."""
    rows = await Q.all(conn, "gas_to_book", chain_id=chain_id, wallet=wallet)
    return [Hash(bytes(row["tx_hash"])) for row in rows]


async def final_up_to(conn: Connection, chain_id: int, wallet: Address) -> int:
    """The newest block in which a transaction of the wallet is final; 0 for none."""
    return int(await Q.scalar(conn, "final_up_to", chain_id=chain_id, wallet=wallet))


async def final_below(conn: Connection, slot: Slot) -> Hash | None:
    """The newest final transaction of the slot's wallet before its nonce."""
    found = await Q.scalar(
        conn, "final_below", chain_id=slot.chain_id, wallet=slot.wallet, nonce=slot.nonce
    )  # fmt: skip
    return None if found is None else Hash(bytes(found))


async def signed_up_to(conn: Connection, chain_id: int, wallet: Address, *, below: int) -> int:
    """The highest nonce under `below` of which signed bytes are kept; -1 for none."""
    return int(await Q.scalar(conn, "signed_up_to", chain_id=chain_id, wallet=wallet, below=below))


def _moved(rows: int, attempt: Attempt) -> None:
    if rows != 1:
        raise Halted(f"attempt 0x{attempt.tx_hash.hex()} is not {attempt.state} under its own lock")


def _attempt(row: Row) -> Attempt:
    block_hash = row["block_hash"]
    return Attempt(
        tx_hash=Hash(bytes(row["tx_hash"])),
        chain_id=row["chain_id"],
        wallet=Address(bytes(row["wallet"])),
        nonce=row["nonce"],
        raw=bytes(row["raw"]),
        fees=Fees(
            max_fee_per_gas=int(row["max_fee_per_gas"]),
            max_priority_fee_per_gas=int(row["max_priority_fee_per_gas"]),
            gas=row["gas"],
        ),
        state=AttemptState(row["state"]),
        created_at=row["created_at"],
        offered_at=row["offered_at"],
        block_hash=None if block_hash is None else Hash(bytes(block_hash)),
        block_number=row["block_number"],
        succeeded=row["succeeded"],
        fee_paid=None if row["fee_paid"] is None else int(row["fee_paid"]),
    )
