"""Deposits as the API shows them, and telling what happened to them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bascule.domain import chain, choice, finality
from bascule.domain.application import ApplicationEvent, ApplicationState, Reason
from bascule.domain.deposit import DepositState
from bascule.domain.errors import NotFound
from bascule.domain.money import SCALE, display_units
from bascule.domain.webhook import EventType
from bascule.services import evidence_view
from bascule.services.outbox import Happening
from bascule.storage import deposit_proofs, deposits, fees, refunds
from bascule.storage.database import Connection
from bascule.storage.deposits import Shown
from bascule.storage.fees import Charged
from bascule.storage.refunds import WayBack


async def describe(conn: Connection, deposit_id: str) -> dict[str, Any]:
    """The deposit as the API shows it. Raises: NotFound `resource_missing`."""
    found = await describe_many(conn, [deposit_id])
    if not found:
        raise NotFound("resource_missing", f"There is no deposit {deposit_id}.", param="id")
    return found[0]


async def evidence_of(conn: Connection, deposit_id: str) -> dict[str, Any]:
    """The deposit's evidence as the API shows it. Raises: NotFound `resource_missing` while there is none."""
    found = await deposit_proofs.of_deposit(conn, deposit_id)
    if found is None:
        raise NotFound(
            "resource_missing",
            f"Deposit {deposit_id} has no evidence yet: it is kept from the time it is final.",
            param="id",
        )
    return evidence_view.described(await describe(conn, deposit_id), found)


async def describe_many(conn: Connection, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Those of `ids` that exist, in their order, as the API shows them."""
    charged = await fees.of_deposits(conn, ids)
    rows = await deposits.shown(conn, ids)
    back = [row.id for row in rows if row.application_state == ApplicationState.REFUNDED]
    ways = await refunds.ways_back(conn, back) if back else {}
    return [_described(row, charged.get(row.id), ways.get(row.id)) for row in rows]


async def happenings(conn: Connection, happened: Sequence[tuple[str, EventType]]) -> list[Happening]:
    """What is to be told for each (deposit id, what happened), with the deposit as it is now."""
    found = await deposits.shown(conn, list({deposit_id for deposit_id, _ in happened}))
    return told({row.id: row for row in found}, happened)


def told(rows: Mapping[str, Shown], happened: Sequence[tuple[str, EventType]]) -> list[Happening]:
    """As `happenings`, of deposits that were read already, by id; fees are booked after that."""
    objects = {deposit_id: _described(rows[deposit_id]) for deposit_id in dict(happened)}
    return [
        Happening(
            account_id=rows[deposit_id].account_id,
            livemode=rows[deposit_id].livemode,
            type=event,
            object_id=deposit_id,
            object_version=rows[deposit_id].version,
            object=objects[deposit_id],
        )
        for deposit_id, event in happened
    ]


def _described(row: Shown, charged: Charged | None = None, way: WayBack | None = None) -> dict[str, Any]:
    coin = row.token == chain.ZERO_ADDRESS  # noticed by its balance: no log, no sender that we know
    return {
        "id": row.id,
        "object": "deposit",
        "kind": row.kind,
        "network": chain.caip2(row.chain_id),
        "token": row.token_id,
        "contract": chain.checksum(row.token),
        "currency": row.currency,
        "amount": _display(row, row.amount),
        "amount_atomic": str(row.amount),
        "amount_changed": _changed(row),
        "decimals": row.decimals,
        "tx_hash": None if coin else chain.hex32(row.tx_hash),
        "log_index": None if coin else row.log_index,
        "block_number": row.block_number,
        "block_hash": chain.hex32(row.block_hash),
        "block_time": _seconds(row.block_time),
        "from": None if coin else chain.checksum(row.src),
        "to": chain.checksum(row.dst),
        "status": str(row.state),
        "confirmations": finality.confirmations(row.block_number, row.processed),
        "confirmations_required": finality.confirmations_required(row.finality),
        "finalized_at": None if row.finalized_at is None else _seconds(row.finalized_at),
        "application": _application(row),
        **_fee(row, charged),
        "unapplied_reason": row.reason,
        "next_steps": _next_steps(row, way),
        "evidence": _evidence(row),
        "livemode": row.livemode,
        "created": _seconds(row.created_at),
        "version": row.version,
    }


def _display(row: Shown, amount: int) -> str | None:
    """A token we do not know has no decimals: only its base units can be shown."""
    return None if row.decimals is None else display_units(amount, row.decimals)


def _changed(row: Shown) -> dict[str, Any] | None:
    """What its transaction moved when it was mined before; null where that was the same."""
    if row.amount_before is None:
        return None
    return {"before": _display(row, row.amount_before), "before_atomic": str(row.amount_before)}


def _application(row: Shown) -> dict[str, Any] | None:
    """What it counts for; null for money that counts for nothing."""
    if row.application_state in (None, ApplicationState.UNAPPLIED):
        return None
    return {
        "payment_intent": None if row.application_state == ApplicationState.ACCEPTED else row.intent_id,
        "status": row.application_state,
        "amount_applied": _display(row, row.amount_applied),
        "amount_applied_atomic": str(row.amount_applied),
    }


def _fee(row: Shown, charged: Charged | None) -> dict[str, Any]:
    """What the platform kept of what was credited; null where it kept nothing, or not yet."""
    if charged is None:
        return {"fee": None, "net": None, "fee_details": []}
    fee = charged.share + charged.fixed
    line = {
        "type": "platform_fee",
        "amount": _display(row, fee),
        "amount_atomic": str(fee),
        "currency": row.currency,
        "bps": charged.bps,
        "share": _display(row, charged.share),
        "fixed": _display(row, charged.fixed),
        "version": charged.version,
    }
    net = _display(row, charged.gross - fee)
    return {"fee": _display(row, fee), "net": net, "fee_details": [line]}


def _next_steps(row: Shown, way: WayBack | None) -> list[str]:
    """What the merchant may decide about it. way: how it stands with refunds of one that is to go back."""
    if row.application_state is None or row.state is DepositState.ORPHANED or (way is not None and way.gives):
        return []
    if row.reason is None and way is None:
        return []
    reason = None if row.reason is None else Reason(row.reason)
    final = row.state is DepositState.FINALIZED
    units = 0 if row.decimals is None else row.amount * 10 ** (SCALE - row.decimals)
    state = ApplicationState(row.application_state)
    found = choice.next_steps(state, reason, units, listed=row.listed, screened=row.screened, final=final)
    kept = way is not None and way.moved  # it is the merchant's already
    return [str(step) for step in found if not (kept and step is ApplicationEvent.ACCEPT)]


def _evidence(row: Shown) -> dict[str, Any] | None:
    """How it is verified and where all of it is; null before it is final."""
    if row.verified is None:
        return None
    return {"verified": row.verified, "url": f"/v1/deposits/{row.id}/evidence"}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
