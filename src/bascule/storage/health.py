"""Whether the system may be trusted with a request right now."""

from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_Q = Queries("health")


async def halted_chains(conn: Connection) -> dict[int, str]:
    """Chains on which nothing is credited and nothing is paid until that is settled, and why."""
    return {row["chain_id"]: row["halted_reason"] for row in await _Q.all(conn, "halted")}
