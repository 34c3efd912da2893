"""Travel-rule data by object: versions, the newest of which counts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from psycopg.types.json import Jsonb

from bascule.domain.travel_rule import Party
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("travel_rules")


@dataclass(frozen=True, slots=True)
class TravelRule:
    """What was said of the two sides of an object's transfer."""

    object_id: str
    version: int
    account_id: str
    livemode: bool
    originator: Party | None
    beneficiary: Party | None
    recorded_by: str
    created_at: datetime


async def newest(conn: Connection, object_id: str) -> TravelRule | None:
    """What was said last of an object."""
    row = await _Q.maybe(conn, "newest", object_id=object_id)
    return None if row is None else _rule(row)


async def insert(conn: Connection, new: TravelRule) -> bool:
    """Stores a version; False when the object has it already."""
    row = await _Q.maybe(
        conn, "insert", object_id=new.object_id, version=new.version, account_id=new.account_id,
        livemode=new.livemode, originator=_json(new.originator), beneficiary=_json(new.beneficiary),
        recorded_by=new.recorded_by, created_at=new.created_at,
    )  # fmt: skip
    return row is not None


def _json(party: Party | None) -> Jsonb | None:
    return None if party is None else Jsonb(asdict(party))


def _rule(row: Row) -> TravelRule:
    sides = {
        side: None if row[side] is None else Party(**row[side]) for side in ("originator", "beneficiary")
    }
    return TravelRule(**{**row, **sides})
