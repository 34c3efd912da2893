"""How far each chain reached when its watcher looked last."""

from datetime import datetime

from bascule.domain.chain import BlockRef, ChainId
from bascule.storage.blocks import moment
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_sql = Queries("sightings")


async def record(conn: Connection, chain_id: ChainId, head: BlockRef, at: datetime) -> None:
    """The newest block that the nodes showed at `at`."""
    await _sql.run(
        conn, "record", chain_id=chain_id, head_number=head.number, head_time=moment(head), seen_at=at
    )
