"""Rows of what the vault did with payouts that an older backup does not know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from bascule.domain import vault as layout
from bascule.domain.chain import Address, Hash
from bascule.storage import arrays
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("recovered")

Outcome = Literal["paid", "refused", "skipped"]


@dataclass(frozen=True, slots=True)
class Item:
    """One payout of an executed batch. tag: `domain.vault.tag`; amount: base units."""

    vault_id: int
    tag: bytes
    outcome: Outcome
    destination: Address
    amount: int


@dataclass(frozen=True, slots=True)
class Found:
    """What became of an identity, and in which transaction. token: its contract; amount: base units."""

    chain_id: int
    tx_hash: Hash
    outcome: Outcome
    token: Address
    amount: int


async def insert(
    conn: Connection,
    chain_id: int,
    vault: Address,
    token: Address,
    tx_hash: Hash,
    block_number: int,
    items: Sequence[Item],
) -> None:
    """Keeps the items of an executed batch; again is harmless."""
    await _Q.run(
        conn, "insert", chain_id=chain_id, vault=vault, token=token, tx_hash=tx_hash,
        block_number=block_number, vault_ids=arrays.numbers(i.vault_id for i in items),
        tags=arrays.bytes_(i.tag for i in items), outcomes=arrays.texts(i.outcome for i in items),
        destinations=arrays.bytes_(i.destination for i in items),
        amounts=arrays.numbers(i.amount for i in items),
    )  # fmt: skip


async def of_tags(conn: Connection, tags: Sequence[bytes]) -> dict[bytes, Found]:
    """What the vault did under identities before a restore; those it never had are missing."""
    rows = await _Q.all(conn, "of_tags", tags=arrays.bytes_(tags))
    return {
        bytes(row["tag"]): Found(
            row["chain_id"], Hash(bytes(row["tx_hash"])), row["outcome"], Address(bytes(row["token"])),
            int(row["amount"]),
        )
        for row in rows
    }  # fmt: skip


async def read_up_to(conn: Connection, chain_id: int, vault: Address, lane: int) -> int:
    """The block of the newest batch of the lane that was recovered; 0 for none."""
    first = layout.make_id(lane, 0)
    after = first + layout.SEQUENCE_MAX + 1
    return int(await _Q.scalar(conn, "read_up_to", chain_id=chain_id, vault=vault, first=first, after=after))
