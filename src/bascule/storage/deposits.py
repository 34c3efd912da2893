"""Deposits: money that came to us, each the same one however often its transaction is mined anew."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from psycopg.errors import UniqueViolation

from bascule.domain.application import ApplicationState, Reason
from bascule.domain.chain import Address, ChainId, Hash
from bascule.domain.deposit import DepositState
from bascule.domain.errors import Retryable
from bascule.domain.finality import FinalityPolicy
from bascule.domain.matching import Fixed, Seen
from bascule.storage.arrays import bytes_, moments, numbers, texts, truths
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_sql = Queries("deposits")
_policy = lru_cache(maxsize=64)(FinalityPolicy)

Kind = Literal["payment", "capital", "unsolicited"]


class Owned(NamedTuple):
    """Whose deposit it is. intent_id: of the address; booked: its token is known and accepted.

    screened: screening holds it.
    """

    id: str
    kind: Kind
    intent_id: str | None
    booked: bool
    screened: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A deposit somebody decides about. intent_id: whose it is now, if anybody's; booked: in the ledger.

    accepted: its token is, still; suspended: its token is, so that nobody is credited in it now; listed: its
    token's issuer names its address, so that nothing leaves it; screened: screening holds it.
    """

    id: str
    account_id: str
    livemode: bool
    kind: Kind
    state: DepositState
    amount: int
    currency: str | None
    decimals: int | None
    intent_id: str | None
    booked: bool
    accepted: bool
    suspended: bool
    listed: bool
    screened: bool


class Shown(NamedTuple):
    """A deposit with all that is shown of it. amount, amount_applied: base units.

    token_id, currency, decimals: None for a token we do not know; processed: the newest block read;
    verified: what its evidence is, None before it is final; listed: its token's issuer names its address;
    screened: screening holds it; amount_before: what its transaction moved when it was mined before, if that
    was another amount.
    """

    id: str
    account_id: str
    livemode: bool
    kind: Kind
    chain_id: ChainId
    token: Address
    token_id: str | None
    currency: str | None
    decimals: int | None
    amount: int
    tx_hash: Hash
    log_index: int
    block_number: int
    block_hash: Hash
    block_time: datetime
    src: Address
    dst: Address
    state: DepositState
    finalized_at: datetime | None
    created_at: datetime
    version: int
    amount_before: int | None
    application_state: str | None
    intent_id: str | None
    reason: str | None
    amount_applied: int
    processed: int
    finality: FinalityPolicy
    verified: str | None
    listed: bool
    screened: bool


_STATES = {str(state): state for state in DepositState}  # a look here takes a tenth of the enumeration's own
_AMOUNT, _STATE, _BEFORE = map(Shown._fields.index, ("amount", "state", "amount_before"))


class Returned(NamedTuple):
    """A deposit whose transaction was mined again. changed: it moves another amount there than before."""

    id: str
    changed: bool


class Candidate(NamedTuple):
    """A deposit that may count for an intent: as the matcher sees it, what was decided about it before, if
    anything was, and as it is shown.
    """

    seen: Seen
    fixed: Fixed | None
    shown: Shown


async def insert_arrived(conn: Connection, chain_id: ChainId, new: Sequence[Shown]) -> None:
    """Stores what was found to have arrived, by the ids and for whom it says, detected.

    Raises: Retryable when somebody else stored one meanwhile.
    """
    if not new:
        return
    try:
        stored = await _sql.run(
            conn,
            "insert_arrived",
            chain_id=chain_id,
            ids=texts([each.id for each in new]),
            block_hashes=bytes_([each.block_hash for each in new]),
            log_indexes=numbers([each.log_index for each in new]),
            block_times=moments([each.block_time for each in new]),
            token_ids=texts([each.token_id for each in new]),
            account_ids=texts([each.account_id for each in new]),
            livemodes=truths([each.livemode for each in new]),
            kinds=texts([each.kind for each in new]),
            created_ats=moments([each.created_at for each in new]),
        )
    except UniqueViolation:
        raise Retryable("somebody else stored a deposit that had just arrived") from None
    if stored != len(new):
        raise Retryable(f"{len(new) - stored} of {len(new)} transfers that had just arrived are gone")


async def advance_return(
    conn: Connection, chain_id: ChainId, places: Sequence[tuple[Hash, int]]
) -> dict[tuple[Hash, int], Returned]:
    """From orphaned to detected, where their payments are now; by (block hash, log index)."""
    if not places:
        return {}
    rows = await _sql.all(
        conn,
        "advance_return",
        chain_id=chain_id,
        block_hashes=bytes_(block_hash for block_hash, _ in places),
        log_indexes=numbers(log_index for _, log_index in places),
    )
    return {(row["block_hash"], row["log_index"]): Returned(row["id"], row["changed"]) for row in rows}


async def advance_orphan(conn: Connection, chain_id: ChainId, number: int) -> list[str]:
    """From detected to orphaned, for blocks above a height; their ids."""
    rows = await _sql.all(conn, "advance_orphan", chain_id=chain_id, number=number)
    return [row["id"] for row in rows]


async def advance_finalize(
    conn: Connection, chain_id: ChainId, number: int, now: datetime, finality: str
) -> dict[str, tuple[bool, bool]]:
    """From detected to finalized, for blocks up to a height that is final.

    finality: by what. By id: whether its token's list held it, and whether its sender stands on one of ours,
    or screening holds it.
    """
    rows = await _sql.all(
        conn, "advance_finalize", chain_id=chain_id, number=number, now=now, finality=finality
    )
    return {row["id"]: (row["listed"], row["screened"]) for row in rows}


async def name_tokens(conn: Connection, chain_id: ChainId) -> dict[str, DepositState]:
    """Deposits whose token was unknown when they came and is accepted now; how final they are, by id."""
    return {
        row["id"]: DepositState(row["state"])
        for row in await _sql.all(conn, "name_tokens", chain_id=chain_id)
    }


async def mark_flushed(
    conn: Connection, chain_id: ChainId, after: int, upto: int, final: Sequence[str]
) -> int:
    """Deposits whose address sent its money on in blocks after + 1 … upto, all final; how many.

    final: the deposits that became so just now, whose money may have gone in earlier blocks.
    """
    return await _sql.run(conn, "mark_flushed", chain_id=chain_id, after=after, upto=upto, final=texts(final))


async def waiting_levels(conn: Connection, chain_id: ChainId) -> list[str]:
    """The levels below final at which covered intents wait for money on a chain, as `early.spell` writes."""
    return [row["finality"] for row in await _sql.all(conn, "waiting_levels", chain_id=chain_id)]


async def reliable_upto(conn: Connection, chain_id: ChainId, heights: Mapping[str, int]) -> int | None:
    """The highest block of those that `rely_on` would let count; None when there are none."""
    height: int | None = await _sql.scalar(
        conn,
        "reliable_upto",
        chain_id=chain_id,
        levels=list(heights),
        numbers=list(heights.values()),
    )
    return height


async def rely_on(
    conn: Connection, chain_id: ChainId, heights: Mapping[str, int], but: Collection[str] = ()
) -> dict[str, str]:
    """Lets deposits count before they are final; their intents by deposit id.

    heights: by level; but: ids of tokens that nobody relies on now.
    """
    rows = await _sql.all(
        conn,
        "rely_on",
        chain_id=chain_id,
        levels=list(heights),
        numbers=list(heights.values()),
        but=texts(but),
    )
    return {row["id"]: row["intent_id"] for row in rows}


async def grow_versions(conn: Connection, ids: Sequence[str]) -> None:
    """Marks deposits as changed whose application was decided anew."""
    if ids:
        await _sql.run(conn, "grow_versions", ids=texts(ids))


async def coin_at(conn: Connection, chain_id: ChainId, after: Address, most: int) -> dict[Address, int]:
    """The deposit addresses that follow one, in their order, with the wei that are known to lie there."""
    rows = await _sql.all(conn, "coin_at", chain_id=chain_id, after=after, most=most)
    return {Address(row["address"]): int(row["known"]) for row in rows}


async def mark_coin_gone(
    conn: Connection, chain_id: ChainId, number: int, addresses: Sequence[Address]
) -> None:
    """Of the coin noticed at these addresses nothing lies there after a block."""
    await _sql.run(conn, "mark_coin_gone", chain_id=chain_id, block_number=number, addresses=list(addresses))


async def hold(conn: Connection, deposit_id: str) -> Waiting | None:
    """The deposit, held until the transaction ends; none if there is none."""
    # locked first, read then: one statement could read what the application was before it waited for the lock
    if await _sql.maybe(conn, "hold", id=deposit_id) is None:
        return None
    row = await _sql.one(conn, "waiting", id=deposit_id)
    return Waiting(**row | {"amount": int(row["amount"]), "state": DepositState(row["state"])})


async def owners(conn: Connection, ids: Sequence[str]) -> list[Owned]:
    """Whose deposits these are, in chain order."""
    return [Owned(**row) for row in await _sql.all(conn, "owners", ids=texts(ids))]


async def of_intents(
    conn: Connection, livemodes: Mapping[str, bool], fresh: Collection[str] = ()
) -> dict[str, list[Candidate]]:
    """The deposits of each of these intents, in chain order.

    livemodes: by intent id; fresh: those deposits of which nothing was decided yet are found if named here.
    """
    found: dict[str, list[Candidate]] = {intent_id: [] for intent_id in livemodes}
    for whose, *row in await _sql.tuples(conn, "of_intents", intent_ids=texts(livemodes), fresh=texts(fresh)):
        found[whose].append(_candidate(row, livemodes[whose]))
    return found


async def shown(conn: Connection, ids: Sequence[str]) -> list[Shown]:
    """Those of `ids` that exist, in their order, with all that is shown of them."""
    found = {row[0]: _shown(row) for row in await _sql.tuples(conn, "shown", ids=texts(ids))}
    return [found[deposit_id] for deposit_id in ids if deposit_id in found]


def _candidate(row: Sequence[Any], livemode: bool) -> Candidate:
    """row: the columns of `of_intents` in their order, without the first one."""
    chosen, counted, dust, minimum, live_network, early, *rest = row
    shown = _shown(rest)
    seen = Seen(
        deposit_id=shown.id,
        chain_id=shown.chain_id,
        token=shown.token,
        amount=shown.amount,
        decimals=shown.decimals if counted else None,
        block_time=shown.block_time,
        position=(shown.block_number, shown.log_index),
        state=shown.state,
        dust=int(dust),
        minimum=int(minimum),
        other_mode=livemode is not live_network,
        early=early,
        listed=shown.listed,
        screened=shown.screened,
    )
    if shown.application_state is None:
        return Candidate(seen, None, shown)
    reason = None if shown.reason is None else Reason(shown.reason)
    fixed = Fixed(ApplicationState(shown.application_state), reason, shown.amount_applied, chosen)
    return Candidate(seen, fixed, shown)


def _shown(row: Sequence[Any]) -> Shown:
    """row: the columns of `shown` in their order, by position: names would take twice as long."""
    *stored, applied, next_number, kind, depth, verified, listed, screened = row
    stored[_AMOUNT] = int(stored[_AMOUNT])
    stored[_STATE] = _STATES[stored[_STATE]]
    if stored[_BEFORE] is not None:
        stored[_BEFORE] = int(stored[_BEFORE])
    processed = -1 if next_number is None else next_number - 1
    found = [int(applied or 0), processed, _policy(kind, depth), verified, listed, screened]
    return Shown._make(stored + found)
