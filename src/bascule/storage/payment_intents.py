"""Payment intents and the deposit addresses that belong to them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter
from typing import Any, Literal, NamedTuple

import orjson
from psycopg.types.json import Jsonb

from bascule.domain.chain import Address
from bascule.domain.early import FINAL, spell
from bascule.domain.errors import Halted
from bascule.domain.payment_intent import IntentState
from bascule.storage.arrays import numbers, texts, truths
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

_Q = Queries("payment_intents")


class NewIntent(NamedTuple):
    """What an intent is made of. due, underpay_tolerance_abs: 10^-18 of the currency.

    finality: the level at which it succeeds, as `early.spell` writes it.
    """

    id: str
    account_id: str
    livemode: bool
    currency: str
    due: int
    accepted_tokens: tuple[str, ...]
    underpay_tolerance_bps: int
    underpay_tolerance_abs: int
    late_policy: Literal["accept", "hold"]
    overpay_policy: Literal["hold", "keep"]
    finality: str
    expires_at: datetime
    closes_at: datetime
    client_reference_id: str | None
    description: str | None
    metadata: dict[str, str]
    client_secret: str
    quote_id: str | None
    invoice_id: str | None
    created_at: datetime

    @property
    def row(self) -> IntentRow:
        """The intent as `insert` leaves it."""
        return IntentRow(
            **self._asdict(),
            state=IntentState.REQUIRES_ACTION,
            received=0,
            confirmed=0,
            refunded=0,
            flags=(),
            cancellation_reason=None,
            canceled_at=None,
            succeeded_at=None,
            succeeded_by=None,
            version=1,
        )


class IntentRow(NamedTuple):
    """An intent as stored. due, received, confirmed, refunded, underpay_tolerance_abs: 10^-18 of its
    currency.

    finality: the level at which it succeeds; succeeded_by: the one at which it did.
    """

    id: str
    account_id: str
    livemode: bool
    currency: str
    due: int
    received: int
    confirmed: int
    state: IntentState
    flags: tuple[str, ...]
    accepted_tokens: tuple[str, ...]
    underpay_tolerance_bps: int
    underpay_tolerance_abs: int
    late_policy: Literal["accept", "hold"]
    overpay_policy: Literal["hold", "keep"]
    finality: str
    expires_at: datetime
    closes_at: datetime
    client_reference_id: str | None
    description: str | None
    metadata: dict[str, str]
    client_secret: str
    quote_id: str | None
    cancellation_reason: str | None
    created_at: datetime
    canceled_at: datetime | None
    succeeded_at: datetime | None
    succeeded_by: str | None
    version: int
    refunded: int
    invoice_id: str | None


_STATES = {str(state): state for state in IntentState}  # a look here takes a tenth of the enumeration's own
_FINAL = spell(FINAL)
# by position: names from a row are compared with as many parameters, letter by letter
_in_order = itemgetter(*IntentRow._fields)


class IntentChange(NamedTuple):
    """What deposits make of an intent. before: as read; received, confirmed: 10^-18 units; flags: in order.

    by: the level at which it succeeds, where it does; growth: by how much the version grows, one for each
    step and one for new totals.
    """

    before: IntentRow
    state: IntentState
    received: int
    confirmed: int
    flags: tuple[str, ...]
    by: str
    growth: int


@dataclass(frozen=True, slots=True)
class DepositAddress:
    """Where an intent is paid on one network."""

    intent_id: str
    chain_id: int
    address: Address


class BoundAddress(NamedTuple):
    """Where an intent is paid on one network: the n-th address of an epoch under a factory there."""

    chain_id: int
    address: Address
    intent_id: str
    account_id: str
    factory: Address
    epoch: int
    n: int


@dataclass(frozen=True, slots=True)
class IntentDeposit:
    """A deposit at an intent's address. amount, amount_applied: base units of its token."""

    intent_id: str
    id: str
    chain_id: int
    tx_hash: bytes
    state: str
    amount: int
    block_number: int
    block_time: datetime
    token_id: str | None
    application: str | None
    reason: str | None
    amount_applied: int


async def insert(conn: Connection, new: Sequence[NewIntent], addresses: Sequence[BoundAddress]) -> None:
    """New intents, in `requires_action`, and all the addresses that pay into them."""
    # as JSON: a value as a parameter of its own costs more than storing it
    rows = [
        each._asdict() | {"due": str(each.due), "underpay_tolerance_abs": str(each.underpay_tolerance_abs)}
        for each in new
    ]
    bound = [
        each._asdict() | {"address": _hex(each.address), "factory": _hex(each.factory)} for each in addresses
    ]
    await _Q.run(conn, "insert", intents=orjson.dumps(rows).decode(), addresses=orjson.dumps(bound).decode())


async def get(conn: Connection, id: str) -> IntentRow | None:
    """The intent, if there is one."""
    row = await _Q.maybe(conn, "by_id", id=id)
    return None if row is None else from_row(row)


async def get_many(conn: Connection, ids: Sequence[str]) -> list[IntentRow]:
    """Those of `ids` that exist, in their order."""
    found = {row["id"]: from_row(row) for row in await _Q.all(conn, "by_ids", ids=texts(ids))}
    return [found[id] for id in ids if id in found]


async def lock(conn: Connection, id: str) -> IntentRow | None:
    """The intent, held until the transaction ends."""
    row = await _Q.maybe(conn, "lock", id=id)
    return None if row is None else from_row(row)


async def lock_many(conn: Connection, ids: Sequence[str]) -> list[IntentRow]:
    """Those of `ids` that exist, held until the transaction ends; taken and given in the order of ids."""
    return [from_row(row) for row in await _Q.all(conn, "lock_many", ids=texts(ids))]


async def hold_many(conn: Connection, ids: Sequence[str]) -> None:
    """Holds intents until the transaction ends; taken in the order of ids."""
    await _Q.run(conn, "hold_many", ids=texts(ids))


async def advance_matched(conn: Connection, changes: Sequence[IntentChange], *, at: datetime) -> None:
    """Writes what came in and the state it makes of intents that are held, each as `changed` says.

    Raises: Halted when one left its state.
    """
    if not changes:
        return
    written = await _Q.run(
        conn,
        "advance_matched",
        at=at,
        ids=texts(change.before.id for change in changes),
        befores=texts(change.before.state for change in changes),
        states=texts(change.state for change in changes),
        received=numbers(change.received for change in changes),
        confirmed=numbers(change.confirmed for change in changes),
        flags=texts(",".join(change.flags) for change in changes),
        bys=texts(change.by for change in changes),
        growths=numbers(change.growth for change in changes),
    )
    if written != len(changes):
        raise Halted(f"{len(changes) - written} of {len(changes)} intents were not as they were read")
    await _note_early(conn, changes)


async def advance(
    conn: Connection,
    id: str,
    from_: IntentState,
    to: IntentState,
    *,
    at: datetime,
    reason: str | None = None,
) -> IntentRow:
    """Moves the state and grows the version. Raises: Halted when the intent was not in `from_`."""
    values: dict[str, Any] = {"id": id, "from": str(from_), "to": str(to), "at": at, "reason": reason}
    row = await _Q.maybe(conn, "advance", **values)
    if row is None:
        raise Halted(f"payment intent {id} was expected to be {from_} and is not")
    return from_row(row)


async def record_totals(
    conn: Connection, id: str, received: int, confirmed: int, flags: Collection[str]
) -> IntentRow:
    """Writes what has come in (10^-18 units) and the whole set of flags; grows the version."""
    return from_row(
        await _Q.one(
            conn,
            "record_totals",
            id=id,
            received=received,
            confirmed=confirmed,
            flags=sorted(str(flag) for flag in flags),
        )
    )


async def change_details(
    conn: Connection, id: str, description: str | None, metadata: dict[str, str]
) -> IntentRow:
    """Writes the merchant's own words; grows the version."""
    return from_row(
        await _Q.one(conn, "change_details", id=id, description=description, metadata=Jsonb(metadata))
    )


async def extend(conn: Connection, id: str, expires_at: datetime, closes_at: datetime) -> None:
    """More time; grows the version."""
    await _Q.run(conn, "extend", id=id, expires_at=expires_at, closes_at=closes_at)


async def pass_deadlines(conn: Connection, now: datetime, *, limit: int) -> int:
    """Forgets deadlines of what has ended, and sets the next one of what is expired; how many."""
    over = [row["intent_id"] for row in await _Q.all(conn, "lock_over", now=now, limit=limit)]
    return await _Q.run(conn, "pass_deadlines", ids=texts(over)) if over else 0


async def next_address_numbers(conn: Connection, count: int) -> list[int]:
    """Numbers no other intent has; they stay used when the transaction fails."""
    return [row["n"] for row in await _Q.all(conn, "next_address_numbers", count=count)]


async def insert_standing(
    conn: Connection,
    account_id: str,
    chain_id: int,
    address: Address,
    *,
    factory: Address,
    epoch: int,
    n: int,
) -> None:
    """Binds a derived address to an account for ever, without an intent."""
    await _Q.run(
        conn, "insert_standing", chain_id=chain_id, address=address, account_id=account_id, factory=factory,
        epoch=epoch, n=n,
    )  # fmt: skip


async def record_refund(conn: Connection, id: str, units: int) -> None:
    """So much more of the intent went back for good. units: 10^-18 of the currency."""
    await _Q.one(conn, "record_refund", id=id, units=units)


async def bind_addresses(conn: Connection, chain_id: int) -> None:
    """Binds on this network what its factory has put at the same addresses on others."""
    await _Q.run(conn, "bind_addresses", chain_id=chain_id)


async def lost_up_to(conn: Connection, chain_id: int, factory: Address, epoch: int) -> int:
    """The highest number of an epoch that is watched without an intent; -1 for none."""
    found = await _Q.scalar(conn, "lost_up_to", chain_id=chain_id, factory=factory, epoch=epoch)
    return -1 if found is None else int(found)


async def insert_lost(
    conn: Connection, chain_id: int, found: Iterable[tuple[Address, int]], *, factory: Address, epoch: int
) -> None:
    """Watches addresses, each with its number, that belong to no intent we know; those known stay."""
    await _Q.run(conn, "make_lost")
    await _Q.copy(conn, "copy_lost", "".join(f"\\\\x{address.hex()}\t{n}\n" for address, n in found))
    await _Q.run(conn, "insert_lost", chain_id=chain_id, factory=factory, epoch=epoch)


async def addresses_of(conn: Connection, ids: Sequence[str]) -> list[DepositAddress]:
    """The deposit addresses of some intents, by network."""
    listed = orjson.dumps(list(ids)).decode()
    return [DepositAddress(**row) for row in await _Q.all(conn, "addresses_of", ids=listed)]


async def deposits_of(conn: Connection, ids: Sequence[str]) -> list[IntentDeposit]:
    """Every deposit at some intents' addresses, oldest block first."""
    rows = await _Q.all(conn, "deposits_of", ids=orjson.dumps(list(ids)).decode())
    return [
        IntentDeposit(
            **row | {"amount": int(row["amount"]), "amount_applied": int(row["amount_applied"] or 0)}
        )
        for row in rows
    ]


def _hex(value: bytes) -> str:
    return rf"\x{value.hex()}"


async def _note_early(conn: Connection, changes: Sequence[IntentChange]) -> None:
    """Of those that need not wait for finality it is written apart which are covered."""
    early = [each for each in changes if each.before.finality != _FINAL and each.state != each.before.state]
    if early:
        covered = truths(each.state is IntentState.PROCESSING for each in early)
        await _Q.run(conn, "note_early", ids=texts(each.before.id for each in early), covered=covered)


def changed(change: IntentChange, at: datetime) -> IntentRow:
    """The row as `advance_matched` leaves it."""
    before = change.before
    succeeds = change.state is IntentState.SUCCEEDED and before.state is not IntentState.SUCCEEDED
    return before._replace(
        state=change.state,
        received=change.received,
        confirmed=change.confirmed,
        flags=change.flags,
        succeeded_at=at if succeeds else before.succeeded_at,
        succeeded_by=change.by if succeeds else before.succeeded_by,
        version=before.version + change.growth,
    )


def from_row(row: Row) -> IntentRow:
    """The intent that a row of all its columns says, whatever else is in it; the row is used up."""
    for name in ("due", "received", "confirmed", "underpay_tolerance_abs", "refunded"):
        row[name] = int(row[name])
    for name in ("flags", "accepted_tokens"):
        row[name] = tuple(row[name])
    row["state"] = _STATES[row["state"]]
    return IntentRow._make(_in_order(row))
