"""Refusals of the signer that contradict what the bridge believes, each kept once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from psycopg.types.json import Jsonb

from bascule.domain.chain import ChainId
from bascule.storage.database import Connection
from bascule.storage.queries import Queries
from bascule.storage.slots import Slot

_Q = Queries("signer_alarms")


async def keep(
    conn: Connection, slot: Slot, *, code: str, message: str, items: Sequence[Mapping[str, str]], at: datetime
) -> bool:
    """Whether it is new: the same code for the same slot is kept once."""
    return await _Q.run(
        conn, "keep", chain_id=slot.chain_id, wallet=slot.wallet, nonce=slot.nonce, code=code,
        message=message, items=Jsonb(list(items)), at=at,
    ) == 1  # fmt: skip


async def open_by_network(conn: Connection, since: datetime) -> dict[ChainId, int]:
    """How many each network has that is not over: of slots still unsigned, or kept after `since`."""
    return {row["chain_id"]: row["alarms"] for row in await _Q.all(conn, "open", since=since)}
