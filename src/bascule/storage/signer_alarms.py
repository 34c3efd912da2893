"""Refusals of the signer that contradict what the bridge believes, each kept once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from psycopg.types.json import Jsonb

from bascule.domain.chain import Address, ChainId
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("signer_alarms")


async def keep(
    conn: Connection, chain_id: ChainId, wallet: Address, nonce: int, *, code: str, subject: str,
    message: str, items: Sequence[Mapping[str, str]], at: datetime,
) -> bool:  # fmt: skip
    """Whether it is new: the same code for the same nonce and subject is kept once.

    subject: a payout that was not reserved under the nonce; empty when the signer was asked about it.
    """
    return await _Q.run(
        conn, "keep", chain_id=chain_id, wallet=wallet, nonce=nonce, code=code, subject=subject,
        message=message, items=Jsonb(list(items)), at=at,
    ) == 1  # fmt: skip


async def open_by_network(conn: Connection, since: datetime) -> dict[ChainId, int]:
    """How many each network has that is not over: of slots still unsigned, or kept after `since`."""
    return {row["chain_id"]: row["alarms"] for row in await _Q.all(conn, "open", since=since)}
