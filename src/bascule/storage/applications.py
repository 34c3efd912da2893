"""Applications: what each deposit counts for, or why for nothing. State moves are the domain's."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from bascule.domain.application import ApplicationState, Reason
from bascule.domain.errors import Halted
from bascule.domain.matching import Decision, Fixed
from bascule.storage.arrays import numbers, texts
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_sql = Queries("applications")


async def of_deposits(conn: Connection, deposit_ids: Sequence[str]) -> dict[str, Fixed]:
    """What these deposits count for, by deposit id; those never decided are missing."""
    rows = await _sql.all(conn, "of_deposits", deposit_ids=texts(deposit_ids))
    return {row["deposit_id"]: _fixed(row) for row in rows}


async def insert(
    conn: Connection, decisions: Mapping[str, Decision], intent_ids: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Stores first decisions, by deposit id. intent_ids: of the deposits' addresses; our own have none."""
    if not decisions:
        return
    await _sql.run(
        conn,
        "insert",
        deposit_ids=texts(decisions),
        intent_ids=texts(intent_ids.get(deposit_id) for deposit_id in decisions),
        states=texts(decision.state for decision in decisions.values()),
        reasons=texts(decision.reason for decision in decisions.values()),
        amounts=numbers(decision.amount_applied for decision in decisions.values()),
    )


async def advance(conn: Connection, moves: Mapping[str, tuple[Fixed, Decision]]) -> None:
    """Replaces decisions, by deposit id: (as read, as it is now). Raises: Halted when one was not as read."""
    if not moves:
        return
    changed = await _sql.run(
        conn,
        "advance",
        deposit_ids=texts(moves),
        befores=texts(before.state for before, _ in moves.values()),
        states=texts(after.state for _, after in moves.values()),
        reasons=texts(after.reason for _, after in moves.values()),
        amounts=numbers(after.amount_applied for _, after in moves.values()),
    )
    if changed != len(moves):
        raise Halted(f"{len(moves) - changed} of {len(moves)} applications were not as they were read")


async def keep_whole(conn: Connection, deposit_ids: Sequence[str]) -> None:
    """Of deposits whose amounts changed, those that merchants keep are kept whole, as they are now."""
    await _sql.run(conn, "keep_whole", deposit_ids=texts(deposit_ids))


async def choose(conn: Connection, deposit_id: str, intent_id: str) -> None:
    """From now on the deposit is one of this intent's, whatever address it came to. It is unapplied still."""
    changed = await _sql.run(conn, "choose", deposit_id=deposit_id, intent_id=intent_id)
    if not changed:
        raise Halted(f"the application of {deposit_id} was not as it was read")


def _fixed(row: Row) -> Fixed:
    reason = row["reason"]
    return Fixed(
        state=ApplicationState(row["state"]),
        reason=None if reason is None else Reason(reason),
        amount_applied=int(row["amount_applied"]),
        chosen=row["chosen"],
    )
