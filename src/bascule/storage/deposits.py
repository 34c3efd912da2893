"""Deposits: money that came to us, each the same one however often its transaction is mined anew."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from psycopg.errors import NotNullViolation

from bascule.domain.application import ApplicationState, Reason
from bascule.domain.chain import Address, ChainId, Hash
from bascule.domain.deposit import DepositState
from bascule.domain.errors import Halted
from bascule.domain.finality import FinalityPolicy
from bascule.domain.matching import Fixed, Seen
from bascule.storage.arrays import bytes_, numbers, texts
from bascule.storage.database import Connection
from bascule.storage.queries import Queries

_sql = Queries("deposits")
_policy = lru_cache(maxsize=64)(FinalityPolicy)

Kind = Literal["payment", "capital", "unsolicited"]


class Owned(NamedTuple):
    """Whose deposit it is. intent_id: of the address; booked: its token is known and accepted."""

    id: str
    account_id: str
    livemode: bool
    kind: Kind
    intent_id: str | None
    booked: bool


class Arrived(NamedTuple):
    """In chain order: new deposits, and the places (block hash, log index) of those known before."""

    new: list[Owned]
    known: list[tuple[Hash, int]]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A deposit somebody decides about. intent_id: whose it is now, if anybody's; booked: in the ledger.

    accepted: its token is, still; suspended: its token is, so that nobody is credited in it now; listed: its
    token's issuer names its address, so that nothing leaves it.
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


class Shown(NamedTuple):
    """A deposit with all that is shown of it. amount, amount_applied: base units.

    token_id, currency, decimals: None for a token we do not know; processed: the newest block read;
    verified: what its evidence is, None before it is final; listed: its token's issuer names its address.
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
    application_state: str | None
    intent_id: str | None
    reason: str | None
    amount_applied: int
    processed: int
    finality: FinalityPolicy
    verified: str | None
    listed: bool


_AMOUNT, _STATE = Shown._fields.index("amount"), Shown._fields.index("state")


class Candidate(NamedTuple):
    """A deposit that may count for an intent: as the matcher sees it, what was decided about it before, if
    anything was, and as it is shown.
    """

    seen: Seen
    fixed: Fixed | None
    shown: Shown


async def insert_arrived(
    conn: Connection, chain_id: ChainId, block_hashes: Sequence[Hash], ids: Sequence[str], now: datetime
) -> Arrived:
    """Stores what came from outside to us in these blocks, detected, as far as it is not stored already.

    ids: as many as canonical transfers touch us there. Raises: Halted when money came to an own address and
    there is no operator whose it could be.
    """
    try:
        rows = await _sql.tuples(
            conn,
            "insert_arrived",
            chain_id=chain_id,
            block_hashes=bytes_(block_hashes),
            ids=texts(ids),
            now=now,
        )
    except NotNullViolation as error:
        if error.diag.column_name != "account_id":
            raise
        raise Halted(
            "money came to an address of ours, but this installation has no operator account"
        ) from None
    return Arrived(
        new=[Owned(*whose) for new, *whose, _, _ in rows if new],
        known=[(block_hash, log_index) for new, *_, block_hash, log_index in rows if not new],
    )


async def advance_return(
    conn: Connection, chain_id: ChainId, places: Sequence[tuple[Hash, int]]
) -> list[str]:
    """From orphaned to detected, where their payments are now, by (block hash, log index); their ids."""
    if not places:
        return []
    rows = await _sql.all(
        conn,
        "advance_return",
        chain_id=chain_id,
        block_hashes=bytes_(block_hash for block_hash, _ in places),
        log_indexes=numbers(log_index for _, log_index in places),
    )
    return [row["id"] for row in rows]


async def advance_orphan(conn: Connection, chain_id: ChainId, number: int) -> list[str]:
    """From detected to orphaned, for blocks above a height; their ids."""
    rows = await _sql.all(conn, "advance_orphan", chain_id=chain_id, number=number)
    return [row["id"] for row in rows]


async def advance_finalize(
    conn: Connection, chain_id: ChainId, number: int, now: datetime, finality: str
) -> dict[str, bool]:
    """From detected to finalized, for blocks up to a height that is final; by id, whether a list held it.

    finality: by what.
    """
    rows = await _sql.all(
        conn, "advance_finalize", chain_id=chain_id, number=number, now=now, finality=finality
    )
    return {row["id"]: row["listed"] for row in rows}


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


async def of_intents(conn: Connection, livemodes: Mapping[str, bool]) -> dict[str, list[Candidate]]:
    """The deposits at the addresses of each of these intents, in chain order. livemodes: by intent id."""
    found: dict[str, list[Candidate]] = {intent_id: [] for intent_id in livemodes}
    for whose, *row in await _sql.tuples(conn, "of_intents", intent_ids=texts(livemodes)):
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
    )
    if shown.application_state is None:
        return Candidate(seen, None, shown)
    reason = None if shown.reason is None else Reason(shown.reason)
    fixed = Fixed(ApplicationState(shown.application_state), reason, shown.amount_applied, chosen)
    return Candidate(seen, fixed, shown)


def _shown(row: Sequence[Any]) -> Shown:
    """row: the columns of `shown` in their order, by position: names would take twice as long."""
    *stored, applied, next_number, kind, depth, verified, listed = row
    stored[_AMOUNT] = int(stored[_AMOUNT])
    stored[_STATE] = DepositState(stored[_STATE])
    processed = -1 if next_number is None else next_number - 1
    return Shown._make([*stored, int(applied or 0), processed, _policy(kind, depth), verified, listed])
