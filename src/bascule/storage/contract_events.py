"""What contracts that we depend on said of themselves, in the blocks where they said it.

Accepted tokens speak of pauses, lists and upgrades (`chain.token_events`), deposit factories of their
collector (`chain.factory`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bascule.domain.chain import Address, ChainId, Hash
from bascule.storage.arrays import bytes_
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_sql = Queries("contract_events")


@dataclass(frozen=True, slots=True)
class ContractEvent:
    """One event of a contract. subject: whom a list names, or the collector it is about; None: nobody."""

    block_hash: Hash
    log_index: int
    block_number: int
    tx_hash: Hash
    contract: Address
    kind: str
    subject: Address | None


@dataclass(frozen=True, slots=True)
class Stop:
    """Why nothing is flushed: this collector was scheduled, or is in place, and nobody confirmed it."""

    kind: str
    collector: Address
    block_number: int
    tx_hash: Hash


async def record(conn: Connection, chain_id: ChainId, events: Sequence[ContractEvent]) -> None:
    """Stores the events as canonical; the last word about a place counts."""
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
        contracts=[event.contract for event in events],
        kinds=[event.kind for event in events],
        subjects=[event.subject for event in events],
    )


async def orphan_above(conn: Connection, chain_id: ChainId, number: int) -> set[Address]:
    """Marks the events above a height as orphaned; the contracts whose they were."""
    rows = await _sql.all(conn, "orphan_above", chain_id=chain_id, number=number)
    return {Address(row["contract"]) for row in rows}


async def of_blocks(conn: Connection, chain_id: ChainId, blocks: Sequence[Hash]) -> list[ContractEvent]:
    """The canonical events of some blocks."""
    rows = await _sql.all(conn, "of_blocks", chain_id=chain_id, block_hashes=bytes_(blocks))
    return [ContractEvent(**row) for row in rows]


async def orphan(conn: Connection, chain_id: ChainId, events: Sequence[ContractEvent]) -> None:
    """Marks these as not canonical: they were never said."""
    if events:
        places = {
            "block_hashes": [e.block_hash for e in events],
            "log_indexes": [e.log_index for e in events],
        }
        await _sql.run(conn, "orphan", chain_id=chain_id, **places)


async def pauses_over(conn: Connection, chain_id: ChainId) -> dict[Address, int | None]:
    """Contracts whose pause, an open suspension, is over for certain, and the height of what ended it.

    For certain: every block that was read is proven, and the chain is as long as when the pause was said.
    """
    return {
        Address(row["token"]): row["ended"] for row in await _sql.all(conn, "pauses_over", chain_id=chain_id)
    }


async def newest_pauses(
    conn: Connection, chain_id: ChainId, tokens: Collection[Address]
) -> dict[Address, ContractEvent]:
    """By contract, the newest canonical `paused` or `unpaused`; a token that said neither is missing."""
    rows = await _sql.all(conn, "newest_pauses", chain_id=chain_id, tokens=list(tokens))
    return {Address(row["contract"]): ContractEvent(**row) for row in rows}


async def ours(conn: Connection, chain_id: ChainId, addresses: Collection[Address]) -> dict[Address, bool]:
    """Those of the addresses that hold money for us; True for one that everybody's money passes."""
    rows = await _sql.all(conn, "ours", chain_id=chain_id, addresses=list(addresses))
    return {Address(row["address"]): row["service"] for row in rows}


async def lists_over(conn: Connection, chain_id: ChainId, type: str) -> list[str]:
    """Subjects of open breaks of this type, `token id/0x…`, whose address no issuer lists any more."""
    return [row["subject"] for row in await _sql.all(conn, "lists_over", chain_id=chain_id, type=type)]


async def stop(conn: Connection, chain_id: ChainId) -> Stop | None:
    """What stops flushes of a chain, by what its factory said last; None: nothing it said."""
    row = await _sql.maybe(conn, "stop", chain_id=chain_id)
    return None if row is None else Stop(**row)


async def forget_next(conn: Connection, chain_id: ChainId) -> None:
    """A scheduled collector that the factory dropped, in a proven block, is confirmed no more."""
    await _sql.all(conn, "forget_next", chain_id=chain_id)


async def collectors_of_tx(conn: Connection, tx_hash: Hash) -> list[Row]:
    """What a transaction made factories say of their collectors, orphaned too."""
    return await _sql.all(conn, "collectors_of_tx", tx_hash=tx_hash)
