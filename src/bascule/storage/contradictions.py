"""What contradicts between chain, journal, intents, payouts and what was told of them, by type of break."""

from __future__ import annotations

from typing import Final

from bascule.domain.breaks import OF_REASON
from bascule.storage.breaks import Break, Found
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("contradictions")
MOST = 5_000  # of one query: as many as are in memory at once
UNAPPLIED = "unapplied_deposit"
# Each query with the types of what it finds.
SEARCHES: Final[dict[str, tuple[str, ...]]] = {
    name: (name,)
    for name in (
        "unbooked_transfer", "unknown_transfer_booked", "orphaned_credit", "amount_over", "amount_under",
        "intent_drift", "payout_not_mined", "payout_mined_not_posted", "payout_amount_mismatch",
        "holds_differ", "webhook_gap",
    )
} | {"unapplied": (UNAPPLIED, *sorted(set(OF_REASON.values())))}  # fmt: skip


async def take_your_time(conn: Connection) -> None:
    """The caller's transaction may take half an hour."""
    await _Q.run(conn, "take_your_time")


async def find(conn: Connection, search: str, after: str = "") -> list[Found]:
    """What one of `SEARCHES` finds now, by subject: at most the `MOST` that follow one."""
    return [_found(search, row) for row in await _Q.all(conn, search, after=after, most=MOST)]


def _found(search: str, row: Row) -> Found:
    amount = row["amount"]
    return Found(
        type=OF_REASON.get(row["reason"], UNAPPLIED) if "reason" in row else search,
        subject=row["subject"],
        evidence=row["evidence"],
        chain_id=row["chain_id"],
        token_id=row["token_id"],
        livemode=row["livemode"],
        amount=None if amount is None else int(amount),
    )


async def posting(conn: Connection, row: Break) -> int | None:
    """The ledger transaction that books what a break is about, if there is one."""
    place = row.subject.split("/")
    if len(place) == 3:
        chain_id, block_hash, log_index = place
        where = {"chain_id": int(chain_id), "block_hash": bytes.fromhex(block_hash)}
        found = await _Q.scalar(conn, "transaction_of_transfer", log_index=int(log_index), **where)
    else:
        found = await _Q.scalar(conn, "transaction_of_object", subject=row.subject, since=row.opened_at)
    return None if found is None else int(found)
