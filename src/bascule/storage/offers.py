"""What nodes said to signed bytes: one row for each node and byte string, so that it cannot grow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bascule.domain.chain import Hash
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

Q = Queries("offers")
WORDS_MAX = 300  # characters of a node's words that are kept


@dataclass(frozen=True, slots=True)
class Offered:
    """A node's newest answer. says: by name; bytes: what that says of them; words: None when it took them.

    times: how often it was asked; accepted: how often it took them, more than once when it forgets them.
    """

    node: str
    says: str
    bytes: str
    words: str | None
    times: int
    accepted: int
    first_at: datetime
    last_at: datetime


async def keep(
    conn: Connection, tx_hash: Hash, *, node: str, says: str, bytes: str, words: str | None,
    accepted: bool, at: datetime,
) -> None:  # fmt: skip
    """The node's newest answer takes the place of the one before."""
    short = None if words is None else " ".join(words.replace("\0", "").split())[:WORDS_MAX]
    await Q.run(
        conn, "keep", tx_hash=tx_hash, node=node, says=says, bytes=bytes, words=short,
        accepted=int(accepted), at=at,
    )  # fmt: skip


async def of_attempt(conn: Connection, tx_hash: Hash) -> list[Offered]:
    """What every node said last."""
    return [Offered(**row) for row in await Q.all(conn, "of_attempt", tx_hash=tx_hash)]
