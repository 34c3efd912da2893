"""Tells the operator what befell a network, in the transaction in which it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bascule.domain.chain import Hash, caip2, hex32
from bascule.domain.webhook import EventType
from bascule.services.outbox import Outbox
from bascule.storage import accounts, blocks
from bascule.storage.database import Connection
from bascule.storage.networks import Network


@dataclass(frozen=True, slots=True)
class Reorg:
    """Blocks that were read and left the chain, by number and hash.

    fork: the newest that stayed; old_head: the newest read, which did not; new_head: the newest that nodes
    have; deposits: how many lost their block.
    """

    fork: tuple[int, Hash]
    old_head: tuple[int, Hash]
    new_head: tuple[int, Hash]
    deposits: int

    @property
    def shown(self) -> dict[str, Any]:
        """As the operator is told of it."""
        return {
            "depth": self.old_head[0] - self.fork[0],
            "fork": _block(*self.fork),
            "old_head": _block(*self.old_head),
            "new_head": _block(*self.new_head),
            "deposits_orphaned": self.deposits,
        }


async def tell(
    conn: Connection, network: Network, outbox: Outbox, type: EventType, *, reorg: Reorg | None = None
) -> None:
    """Appends the event with the network as its row stands now; nothing where there is no operator."""
    operator = await accounts.operator(conn)
    if operator is None:
        return
    told = await blocks.told(conn, network.chain_id)
    name = caip2(network.chain_id)
    shown = {"id": name, "object": "network", "halted": told.halted_reason is not None}
    about: Mapping[str, Any] = {} if reorg is None else {"reorg": reorg.shown}
    await outbox.append(
        conn,
        account_id=operator.id,
        livemode=network.livemode,
        type=type,
        object_id=name,
        object_version=told.version,
        object={**shown, "reason": told.halted_reason, **about},
    )


def _block(number: int, hash: Hash) -> dict[str, Any]:
    return {"number": number, "hash": hex32(hash)}
