"""Whether the system may be trusted with a request right now."""

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("health")


async def halted_chains(conn: Connection) -> list[int]:
    """Chains on which nothing is credited and nothing is paid until a person has looked."""
    return list(await _Q.scalar(conn, "state"))
