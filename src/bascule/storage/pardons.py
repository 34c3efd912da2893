"""Nodes that an operator lets back before their time."""

from bascule.domain.chain import ChainId
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_sql = Queries("pardons")


async def record(conn: Connection, chain_id: ChainId, node: str) -> None:
    """The node, by its pool's name for it, is to be asked again."""
    await _sql.run(conn, "record", chain_id=chain_id, node=node)


async def newest(conn: Connection) -> int:
    """The newest pardon's number, 0 before the first."""
    return int(await _sql.scalar(conn, "newest"))


async def since(conn: Connection, number: int) -> list[tuple[int, ChainId, str]]:
    """(number, chain, node) of the pardons after one of them, the oldest first."""
    return [(row["id"], row["chain_id"], row["node"]) for row in await _sql.all(conn, "since", id=number)]
