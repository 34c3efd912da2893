"""Rows of policy: how early an account's intents may succeed."""

from collections.abc import Collection
from decimal import Decimal

from bascule.domain.early import EarlyPolicy, Tier, read_level, spell
from bascule.storage.arrays import texts
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("early_policies")


async def set(conn: Connection, account_id: str, policy: EarlyPolicy) -> int:
    """A new version, which rules the account's next intents; returns its number."""
    version = await _Q.scalar(
        conn,
        "set_version",
        account_id=account_id,
        most=Decimal(policy.most),
        up_to=[Decimal(tier.up_to) for tier in policy.tiers],
        levels=[spell(tier.level) for tier in policy.tiers],
    )
    return int(version)


async def current(conn: Connection, account_ids: Collection[str]) -> dict[str, EarlyPolicy]:
    """What rules now for each; where nobody set anything, everything waits until it is final."""
    rows = await _Q.all(conn, "current", account_ids=texts(account_ids))
    return dict.fromkeys(account_ids, EarlyPolicy()) | {row["account_id"]: _policy(row) for row in rows}


def _policy(row: Row) -> EarlyPolicy:
    tiers = [
        Tier(int(up_to), read_level(level, "tiers"))
        for up_to, level in zip(row["up_to"], row["levels"], strict=True)
    ]
    return EarlyPolicy(int(row["most"]), tiers)
