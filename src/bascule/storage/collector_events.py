"""What deposit factories said of their collector, in the blocks where they said it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bascule.domain.chain import Address, ChainId, Hash
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_sql = Queries("collector_events")

Kind = Literal["scheduled", "changed", "unscheduled"]


@dataclass(frozen=True, slots=True)
class CollectorEvent:
    """One event of a factory. collector: the next one, the present one, the dropped one, by kind."""

    block_hash: Hash
    log_index: int
    block_number: int
    tx_hash: Hash
    factory: Address
    kind: Kind
    collector: Address


@dataclass(frozen=True, slots=True)
class Stop:
    """Why nothing is flushed: this collector was scheduled, or is in place, and nobody confirmed it."""

    kind: Kind
    collector: Address
    block_number: int
    tx_hash: Hash


async def record(conn: Connection, chain_id: ChainId, events: Sequence[CollectorEvent]) -> None:
    """Stores the events as canonical; again is harmless."""
    if not events:
        return
    await _sql.run(
        conn,
        "record",
        chain_id=chain_id,
        block_hashes=[event.block_hash for event in events],
        log_indexes=[event.log_index for event in events],
        block_numbers=[event.block_number for event in events],
        tx_hashes=[event.tx_hash for event in events],
        factories=[event.factory for event in events],
        kinds=[event.kind for event in events],
        collectors=[event.collector for event in events],
    )


async def orphan_above(conn: Connection, chain_id: ChainId, number: int) -> None:
    """Marks the events above a height as orphaned; what was said before counts again."""
    await _sql.run(conn, "orphan_above", chain_id=chain_id, number=number)


async def stop(conn: Connection, chain_id: ChainId) -> Stop | None:
    """What stops flushes of a chain, by what its factory said last; None: nothing it said."""
    row = await _sql.maybe(conn, "stop", chain_id=chain_id)
    return None if row is None else Stop(**row)


async def of_tx(conn: Connection, tx_hash: Hash) -> list[Row]:
    """What a transaction made factories say, orphaned too."""
    return await _sql.all(conn, "of_tx", tx_hash=tx_hash)
