"""Rows of refunds: what goes back of a payment, and its way through the states of `domain.refund`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import errors
from psycopg.types.json import Jsonb

from bascule.domain.chain import Address
from bascule.domain.refund import REFUND, RefundEvent, RefundState
from bascule.storage import arrays
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

Q = Queries("refunds")


@dataclass(frozen=True, slots=True)
class NewRefund:
    """What a refund fixes for ever, and how it is born.

    amount: base units of the token; claim_hash: of the token in its link; payer: who signed instead; pays_at:
    the end of its cool-off, once it has a destination.
    """

    id: str
    account_id: str
    livemode: bool
    identity: str
    payment_intent_id: str | None
    deposit_id: str | None
    token_id: str
    amount: int
    reason: str | None
    client_reference_id: str | None
    description: str | None
    metadata: Mapping[str, Any]
    requested_by: str
    created_at: datetime
    claim_hash: bytes | None
    claim_expires_at: datetime | None
    payer: Address | None
    destination: Address | None
    pays_at: datetime | None
    state: RefundState

    @property
    def of(self) -> str:
        """The payment intent or the deposit that it is of."""
        of = self.payment_intent_id or self.deposit_id
        assert of is not None, "a refund is of one of them"
        return of


@dataclass(frozen=True, slots=True)
class RefundRow(NewRefund):
    """One refund as stored.

    excess: base units of it that were paid too much; payout_identity: see `domain.refund`.
    """

    excess: int
    payout_identity: str
    claimed_at: datetime | None
    waits_for: str | None
    look_at: datetime | None
    failure_code: str | None
    payout_id: str | None
    ended_at: datetime | None
    version: int


@dataclass(frozen=True, slots=True)
class WayBack:
    """A deposit's refunds. gives: one gives it back, or did; moved: its money is its merchant's for one."""

    gives: bool
    moved: bool


@dataclass(frozen=True, slots=True)
class Refundable:
    """An intent's money in one token, in base units. refunded: with what is on its way."""

    token_id: str
    final: int
    refunded: int

    @property
    def left(self) -> int:
        """What can still go back."""
        return self.final - self.refunded


@dataclass(frozen=True, slots=True)
class Counted:
    """Refunds of an intent or a deposit. made: all; units: (chain, contract, base units) of what counts, by
    identity.
    """

    made: int
    units: Mapping[str, tuple[int, Address, int]]


class ExceedsFinal(Exception):
    """The database counted more than is final; the transaction is spent."""


async def insert(conn: Connection, new: NewRefund) -> RefundRow | None:
    """The new refund; None when its identity is taken. Raises: ExceedsFinal."""
    given = {name: getattr(new, name) for name in NewRefund.__slots__}
    given["metadata"] = Jsonb(dict(new.metadata))
    try:
        row = await Q.maybe(conn, "insert", **given)
    except errors.CheckViolation as error:
        if error.diag.constraint_name != "refunds_within_final":
            raise
        raise ExceedsFinal from None
    return _refund(row) if row else None


async def of_ids(conn: Connection, ids: Iterable[str]) -> dict[str, RefundRow]:
    """Several refunds by id; those that do not exist are missing."""
    return {row["id"]: _refund(row) for row in await Q.all(conn, "of_ids", ids=arrays.texts(ids))}


async def get(conn: Connection, refund_id: str) -> RefundRow | None:
    """One refund, as committed."""
    return (await of_ids(conn, [refund_id])).get(refund_id)


async def paid_by(conn: Connection, payout_id: str) -> str | None:
    """The id of the refund that a payout pays; None for every other payout."""
    found: str | None = await Q.scalar(conn, "paid_by", payout_id=payout_id)
    return found


async def lock(conn: Connection, refund_id: str) -> RefundRow | None:
    """One refund, locked until the transaction ends."""
    row = await Q.maybe(conn, "lock", id=refund_id)
    return _refund(row) if row else None


async def of_payouts(conn: Connection, payout_ids: Sequence[str]) -> list[RefundRow]:
    """The refunds that some payouts pay."""
    return [_refund(row) for row in await Q.all(conn, "of_payouts", payout_ids=list(payout_ids))]


async def by_identity(conn: Connection, account_id: str, livemode: bool, identity: str) -> RefundRow | None:
    """The refund that owns this identity."""
    row = await Q.maybe(conn, "by_identity", account_id=account_id, livemode=livemode, identity=identity)
    return _refund(row) if row else None


async def by_claim(conn: Connection, claim_hash: bytes, *, lock: bool = False) -> RefundRow | None:
    """The refund whose link has a token of this hash."""
    row = await Q.maybe(conn, "lock_by_claim" if lock else "by_claim", claim_hash=claim_hash)
    return _refund(row) if row else None


async def advance(conn: Connection, refund: RefundRow, event: RefundEvent, at: datetime) -> RefundRow:
    """Ends a locked refund; TransitionRefused when the table does not know the move."""
    to = REFUND.step(refund.state, event)
    return _refund(await Q.one(conn, "advance", id=refund.id, from_=refund.state, to=to, at=at))


async def advance_to_pending(
    conn: Connection, refund: RefundRow, destination: Address, *, at: datetime, pays_at: datetime
) -> RefundRow:
    """A locked refund has its destination, for ever."""
    REFUND.step(refund.state, RefundEvent.CLAIM)
    row = await Q.one(
        conn, "advance_to_pending", id=refund.id, destination=destination, at=at, pays_at=pays_at
    )  # fmt: skip
    return _refund(row)


async def advance_to_failed(conn: Connection, refund: RefundRow, code: str, at: datetime) -> RefundRow:
    """A locked refund cannot be paid."""
    REFUND.step(refund.state, RefundEvent.FAIL)
    return _refund(await Q.one(conn, "advance_to_failed", id=refund.id, failure_code=code, at=at))


async def give_payout(conn: Connection, refund_id: str, payout_id: str) -> RefundRow:
    """A locked refund is paid by this payout, for ever."""
    return _refund(await Q.one(conn, "give_payout", id=refund_id, payout_id=payout_id))


async def put_off(conn: Connection, refund_id: str, reason: str, look_at: datetime) -> RefundRow:
    """A locked refund waits for something, and is tried again at that moment."""
    return _refund(await Q.one(conn, "put_off", id=refund_id, reason=reason, look_at=look_at))


async def due(conn: Connection, now: datetime, *, limit: int) -> list[str]:
    """Ids of refunds that can go on now."""
    return [row["id"] for row in await Q.all(conn, "due", now=now, limit=limit)]


async def counted(conn: Connection, of: str) -> Counted:
    """The refunds of an intent or a deposit, and those that neither failed nor were called off."""
    rows = await Q.all(conn, "counted", of=of)
    units = {
        row["payout_identity"]: (row["chain_id"], Address(bytes(row["contract"])), int(row["amount"]))
        for row in rows
        if row["state"] not in ("failed", "canceled")
    }
    return Counted(len(rows), units)


async def gives_back(conn: Connection, deposit_id: str) -> bool:
    """Whether a deposit goes back, went, or lies with its merchant since it was to go."""
    found: bool = await Q.scalar(conn, "gives_back", deposit_id=deposit_id)
    return found


async def ways_back(conn: Connection, deposit_ids: Sequence[str]) -> dict[str, WayBack]:
    """How it stands with the refunds of some deposits, of those that have any."""
    rows = await Q.all(conn, "ways_back", deposit_ids=arrays.texts(deposit_ids))
    return {row["deposit_id"]: WayBack(row["gives"], row["moved"]) for row in rows}


async def refundable(conn: Connection, intent_id: str) -> list[Refundable]:
    """What can go back of an intent, by token; tokens without final money are missing."""
    rows = await Q.all(conn, "refundable", intent_id=intent_id)
    return [Refundable(row["token_id"], int(row["final"]), int(row["refunded"])) for row in rows]


async def paid_from(conn: Connection, intent_id: str, token_id: str) -> frozenset[Address]:
    """Who paid an intent, by what is final of it in a token."""
    rows = await Q.all(conn, "paid_from", intent_id=intent_id, token_id=token_id)
    return frozenset(Address(bytes(row["src"])) for row in rows)


def _refund(row: Row) -> RefundRow:
    values = row
    for name in ("payer", "destination"):
        values[name] = None if row[name] is None else Address(bytes(row[name]))
    values["claim_hash"] = None if row["claim_hash"] is None else bytes(row["claim_hash"])
    values["amount"], values["excess"] = int(row["amount"]), int(row["excess"])
    values["state"] = RefundState(row["state"])
    return RefundRow(**values)
