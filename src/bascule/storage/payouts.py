"""Rows of money out: one payout, its identity for ever, and its way through the states of `domain.payout`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec
from msgspec.structs import replace
from psycopg.types.json import Jsonb

from bascule.domain.chain import Address, Hash
from bascule.domain.errors import Halted
from bascule.domain.payout import PAYOUT, LapseReason, PayoutEvent, PayoutState
from bascule.storage import arrays
from bascule.storage.database import Connection
from bascule.storage.queries import Queries, Row

Q = Queries("payouts")


class WaitingRow(msgspec.Struct, frozen=True):
    """What of a payout says whether it may stand in a batch, and as what: a third of its columns.

    amount: base units of the token; vault_id: lane << 224 | sequence, once given; mandate_id: under which it
    needs no approvals.
    """

    id: str
    amount: int
    vault_id: int | None
    account_id: str
    livemode: bool
    identity: str
    token_id: str
    destination: Address
    approval_expires_at: datetime
    policy_id: str | None
    batch_id: str | None
    mandate_id: str | None


class PayoutRow(WaitingRow, frozen=True):
    """One payout as stored. A struct, as a data class of so many fields takes twenty times as long to make.

    batch_position: the place of its leaf in the batch it was asked for in, from 0; lapse_reason: of the round
    of approvals before this one; first_vault: the one it was asked for, if that is another than it has now.
    """

    chain_id: int
    vault: Address
    state: PayoutState
    failure_code: str | None
    stuck: bool
    waits_for: str | None
    approvals_required: int
    roster_version: int
    policy_decision: Mapping[str, Any]
    holds: int
    client_reference_id: str | None
    description: str | None
    metadata: Mapping[str, Any]
    requested_by: str
    maker: Address | None
    created_at: datetime
    paid_at: datetime | None
    paid_block_hash: Hash | None
    paid_log_index: int | None
    version: int
    batch_position: int | None
    destination_id: str | None
    network_decision: Mapping[str, Any] | None
    reissue_of: str | None
    lapse_reason: LapseReason | None
    first_vault: Address | None


@dataclass(frozen=True, slots=True)
class NewPayout:
    """What a request fixes for ever, and the first round of approvals.

    batch_position: the place of its leaf in the batch it was asked for in, from 0.
    """

    id: str
    account_id: str
    livemode: bool
    identity: str
    token_id: str
    chain_id: int
    vault: Address
    destination: Address
    amount: int
    approvals_required: int
    approval_expires_at: datetime
    roster_version: int
    policy_decision: Mapping[str, Any]
    policy_id: str | None
    client_reference_id: str | None
    description: str | None
    metadata: Mapping[str, Any]
    requested_by: str
    maker: Address | None
    created_at: datetime
    batch_id: str | None = None
    batch_position: int | None = None
    destination_id: str | None = None
    mandate_id: str | None = None
    network_decision: Mapping[str, Any] | None = None
    reissue_of: str | None = None


async def insert(conn: Connection, new: NewPayout) -> PayoutRow | None:
    """The new payout in requires_action; None when its identity is already taken."""
    given = {name: getattr(new, name) for name in NewPayout.__slots__}
    given |= {name: Jsonb(dict(given[name])) for name in _JSON if given[name] is not None}
    row = await Q.maybe(conn, "insert", **given)
    return payout_of(row) if row else None


_JSON = ("policy_decision", "metadata", "network_decision")


async def insert_many(conn: Connection, new: Sequence[NewPayout]) -> list[PayoutRow]:
    """New payouts of one batch, in their order; those are missing whose identity is already taken."""
    one_each = ("id", "identity", "token_id", "destination", "amount", "policy_id", "client_reference_id",
                "description", "batch_position", "destination_id", "mandate_id")  # fmt: skip
    same = ("account_id", "livemode", "chain_id", "vault", "approvals_required", "roster_version",
            "requested_by", "maker", "created_at", "batch_id")  # fmt: skip
    plurals = {"identity": "identities"}
    rows = await Q.all(
        conn,
        "insert_many",
        **{plurals.get(name, f"{name}s"): [getattr(each, name) for each in new] for name in one_each},
        **{name: getattr(new[0], name) for name in same},
        ends=[each.approval_expires_at for each in new],
        policy_decisions=[Jsonb(dict(each.policy_decision)) for each in new],
        network_decisions=[Jsonb(each.network_decision) if each.network_decision else None for each in new],
    )
    return sorted(map(payout_of, rows), key=lambda row: row.batch_position or 0)


async def get(conn: Connection, payout_id: str) -> PayoutRow | None:
    """The payout, as committed."""
    row = await Q.maybe(conn, "get", id=payout_id)
    return payout_of(row) if row else None


async def by_identity(conn: Connection, account_id: str, livemode: bool, identity: str) -> PayoutRow | None:
    """The payout that owns this identity."""
    row = await Q.maybe(conn, "by_identity", account_id=account_id, livemode=livemode, identity=identity)
    return payout_of(row) if row else None


async def lock(conn: Connection, payout_id: str) -> PayoutRow | None:
    """The payout, locked until the transaction ends."""
    row = await Q.maybe(conn, "lock", id=payout_id)
    return payout_of(row) if row else None


async def of_ids(conn: Connection, ids: Iterable[str], *, lock: bool = False) -> dict[str, PayoutRow]:
    """Several payouts by id; with `lock` in the order of their ids, until the transaction ends."""
    rows = await Q.all(conn, "lock_all" if lock else "of_ids", ids=arrays.texts(ids))
    return {row["id"]: payout_of(row) for row in rows}


async def oldest_waiting(
    conn: Connection, chain_id: int, vault: Address, lane: int,
    without: Sequence[str] = (), aside: Collection[str] = (),
) -> PayoutRow | None:  # fmt: skip
    """The pending payout whose turn it is on a lane, leaving out the tokens of `without` and those aside."""
    where = {"chain_id": chain_id, "vault": vault, "lane": lane}
    row = await Q.maybe(conn, "oldest_waiting", **where, without=list(without), aside=list(aside))
    return payout_of(row) if row else None


async def waiting(
    conn: Connection, chain_id: int, vault: Address, token_id: str, word: int, limit: int,
    aside: Collection[str] = (),
) -> list[WaitingRow]:  # fmt: skip
    """Pending payouts of a token without an id or with one of `word`, oldest first, but for those aside."""
    where = {"chain_id": chain_id, "vault": vault, "token_id": token_id, "word": word}
    rows = await Q.tuples(conn, "waiting", **where, limit=limit, aside=list(aside))
    return [
        WaitingRow(id, int(amount), vault_id if vault_id is None else int(vault_id), *rest)
        for id, amount, vault_id, *rest in rows
    ]


async def lock_waiting(
    conn: Connection, chain_id: int, vault: Address, token_id: str, word: int, limit: int,
    aside: Collection[str] = (),
) -> list[PayoutRow]:  # fmt: skip
    """The same, whole, and locked until the transaction ends, without those that somebody else has locked."""
    where = {"chain_id": chain_id, "vault": vault, "token_id": token_id, "word": word}
    rows = await Q.all(conn, "lock_waiting", **where, limit=limit, aside=list(aside))
    return [payout_of(row) for row in rows]


async def advance(
    conn: Connection, payout: PayoutRow, event: PayoutEvent, *, failure_code: str | None = None
) -> PayoutRow:
    """Moves a locked payout along its machine; TransitionRefused when the table does not know the move."""
    to = PAYOUT.step(payout.state, event)
    row = await Q.one(conn, "advance", id=payout.id, from_=payout.state, to=to, failure_code=failure_code)
    return payout_of(row)


async def advance_to_pending(conn: Connection, payout: PayoutRow) -> PayoutRow:
    """Approved; `holds` has grown, the caller posts the hold in the same transaction."""
    PAYOUT.step(payout.state, PayoutEvent.APPROVE)
    return payout_of(await Q.one(conn, "advance_to_pending", id=payout.id))


async def advance_to_in_transit(conn: Connection, given: Sequence[tuple[int, PayoutRow]]) -> list[PayoutRow]:
    """Locked payouts reserved under vault ids, in this order; one that has an id keeps it.

    Raises: Halted when one of them is not pending, or has another id.
    """
    for _, payout in given:
        PAYOUT.step(payout.state, PayoutEvent.RESERVE)
    rows = await Q.all(
        conn,
        "advance_to_in_transit",
        ids=arrays.texts(payout.id for _, payout in given),
        vault_ids=arrays.numbers(vault_id for vault_id, _ in given),
    )
    versions: dict[str, int] = {row["id"]: row["version"] for row in rows}
    if len(versions) != len(given):
        missing = len(given) - len(versions)
        raise Halted(f"{missing} payouts are not pending, or have another id, under their lock")
    return [
        replace(
            payout,
            state=PayoutState.IN_TRANSIT,
            vault_id=vault_id,
            waits_for=None,
            version=versions[payout.id],
        )
        for vault_id, payout in given
    ]


async def advance_to_paid(
    conn: Connection, paid: Sequence[tuple[PayoutRow, int]], *, paid_at: datetime, block_hash: Hash
) -> list[PayoutRow]:
    """Locked payouts, in this order, each paid by the Transfer with this log index of one final block.

    Raises: Halted when one of them is not in transit.
    """
    for payout, _ in paid:
        PAYOUT.step(payout.state, PayoutEvent.FINALIZE)
    rows = await Q.all(
        conn,
        "advance_to_paid",
        ids=arrays.texts(payout.id for payout, _ in paid),
        log_indexes=arrays.numbers(log_index for _, log_index in paid),
        paid_at=paid_at,
        block_hash=block_hash,
    )
    versions: dict[str, int] = {row["id"]: row["version"] for row in rows}
    if len(versions) != len(paid):
        raise Halted(f"{len(paid) - len(versions)} payouts are not in transit under their lock")
    return [
        replace(
            payout,
            state=PayoutState.PAID,
            paid_at=paid_at,
            paid_block_hash=block_hash,
            paid_log_index=log_index,
            version=versions[payout.id],
        )
        for payout, log_index in paid
    ]


async def mark_waiting(
    conn: Connection, chain_id: int, vault: Address, token_id: str, reason: str | None,
    aside: Collection[str] = (),
) -> int:  # fmt: skip
    """Says on all pending payouts of a token why they are not taken, but on those aside, which say so by
    themselves; how many learned something new.
    """
    where = {"chain_id": chain_id, "vault": vault, "token_id": token_id}
    return await Q.run(conn, "mark_waiting", **where, reason=reason, aside=list(aside))


async def amounts_lately(conn: Connection, account_id: str, token_id: str) -> list[int]:
    """Base units of the account's newest payouts of a token, each once, at most 100."""
    rows = await Q.all(conn, "amounts_lately", account_id=account_id, token_id=token_id)
    return [int(row["amount"]) for row in rows]


async def mark_one_waiting(conn: Connection, payout_id: str, reason: str) -> bool:
    """Says on one pending payout why it is not taken; False when it said so before."""
    return await Q.run(conn, "mark_one_waiting", id=payout_id, reason=reason) == 1


async def mark_some_waiting(conn: Connection, ids: Sequence[str], reason: str) -> int:
    """Says why on those of them that are pending; how many did not say so before."""
    return await Q.run(conn, "mark_some_waiting", ids=list(ids), reason=reason)


async def ids_waiting(conn: Connection, chain_id: int, vault: Address, reason: str) -> list[str]:
    """Pending payouts of a vault that say so of why they are not taken, oldest first."""
    rows = await Q.all(conn, "ids_waiting", chain_id=chain_id, vault=vault, reason=reason)
    return [row["id"] for row in rows]


async def mark_stuck(conn: Connection, payout_id: str, stuck: bool) -> PayoutRow | None:
    """The payout after its flag changed; None when it already stood so."""
    row = await Q.maybe(conn, "mark_stuck", id=payout_id, stuck=stuck)
    return payout_of(row) if row else None


async def count_change(conn: Connection, ids: Iterable[str]) -> list[PayoutRow]:
    """Those of these that are in transit, locked, by id: something of them is shown otherwise from now on."""
    rows = await Q.all(conn, "count_change", ids=arrays.texts(ids))
    return sorted(map(payout_of, rows), key=lambda row: row.id)


async def unfinished_at(
    conn: Connection, chain_id: int, vault: Address, lane: int | None = None
) -> list[PayoutRow]:
    """The payouts without an end that a vault may have paid, locked; with a lane those with an id of it."""
    found = await Q.all(conn, "unfinished_at", chain_id=chain_id, vault=vault, lane=lane)
    return [*map(payout_of, found)]


async def of_batch(conn: Connection, batch_id: str, *, lock: bool = False) -> list[PayoutRow]:
    """The payouts of a batch in their order."""
    rows = await Q.all(conn, "lock_batch" if lock else "of_batch", batch_id=batch_id)
    return sorted(map(payout_of, rows), key=lambda row: row.batch_position or 0)


async def advance_all(
    conn: Connection, waiting: Sequence[PayoutRow], event: Literal[PayoutEvent.APPROVE, PayoutEvent.CANCEL]
) -> list[PayoutRow]:
    """Locked payouts of a batch that wait for approvals become pending or are called off, in their order."""
    to = {PAYOUT.step(row.state, event) for row in waiting}
    name = "advance_all_to_pending" if to == {PayoutState.PENDING} else "advance_all_to_canceled"
    rows = await Q.all(conn, name, ids=[row.id for row in waiting])
    return sorted(map(payout_of, rows), key=lambda row: row.batch_position or 0)


async def is_ours(conn: Connection, chain_id: int, address: Address) -> bool:
    """Whether an address holds our money, takes deposits for us, or belongs to our contracts."""
    return bool(await Q.scalar(conn, "is_ours", chain_id=chain_id, address=address))


def payout_of(row: Row) -> PayoutRow:
    """The payout a row of its table holds."""
    values = row
    values["vault"], values["destination"] = Address(row["vault"]), Address(row["destination"])
    if values["paid_block_hash"] is not None:
        values["paid_block_hash"] = Hash(values["paid_block_hash"])
    if values["maker"] is not None:
        values["maker"] = Address(values["maker"])
    for name in ("amount", "vault_id"):
        if isinstance(values[name], Decimal):
            values[name] = int(values[name])
    if values["lapse_reason"] is not None:
        values["lapse_reason"] = LapseReason(values["lapse_reason"])
    if values["first_vault"] is not None:
        values["first_vault"] = Address(values["first_vault"])
    values["state"] = PayoutState(values["state"])
    return PayoutRow(**values)
