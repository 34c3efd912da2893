"""What nodes said that cannot both be true, for ever."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bascule.domain.chain import ChainId
from bascule.domain.disagreement import Disagreement
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_sql = Queries("disagreements")


async def record(conn: Connection, chain_id: ChainId, found: Sequence[Disagreement], at: datetime) -> None:
    """Keeps disagreements as they are."""
    for each in found:
        values: dict[str, Any] = {name: getattr(each, name) for name in Disagreement.__slots__}
        await _sql.run(conn, "record", chain_id=chain_id, seen_at=at, **values)


async def every(conn: Connection, chain_id: ChainId) -> list[Disagreement]:
    """All that were kept of a chain, the oldest first."""
    return [Disagreement(**row) for row in await _sql.all(conn, "every", chain_id=chain_id)]
