"""Invoices: a merchant writes one, makes it final, and is paid by its payment intent.

Each use-case runs in the caller's transaction: state, intent and the telling of it commit together. Whoever
wants an invoice and its intent locks the intent first, as who pays it does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from bascule.domain.errors import Conflict, NotFound, Rejected
from bascule.domain.ids import Prefix
from bascule.domain.invoice import (
    DUE_MAX,
    INVOICE,
    InvoiceEvent,
    InvoiceState,
    InvoiceType,
    numbered,
    reminder,
    sums,
)
from bascule.domain.money import SCALE, display_units
from bascule.domain.payment_intent import IntentState
from bascule.domain.webhook import EventType
from bascule.services.intent_request import Choice, IntentRequest
from bascule.services.intents import Intents
from bascule.services.invoice_request import InvoiceRequest, changed, due_at, read
from bascule.services.invoice_view import happening, shown
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import accounts, invoices, payment_intents
from bascule.storage.database import Connection
from bascule.storage.invoices import InvoiceRow

RequestContext = Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Asked:
    """How the money of a final invoice is asked for; as in `IntentRequest`."""

    accepted: Sequence[Choice] | None = None
    underpay_tolerance_bps: int = 0
    underpay_tolerance_abs: object = "0.00"
    late: Literal["accept", "hold"] = "accept"
    overpay: Literal["hold", "keep"] = "hold"
    finality: str | None = None


@dataclass(frozen=True)
class Invoices:
    """Use-cases on invoices."""

    clock: Clock
    entropy: Entropy
    outbox: Outbox
    intents: Intents

    async def create(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        request: InvoiceRequest,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """A new draft. Raises: Rejected, naming the parameter."""
        now = self.clock.now()
        draft = read(request, now)
        id = new_id(Prefix.INVOICE, self.clock, self.entropy)
        await invoices.insert(conn, id, account_id, livemode, draft, sums(draft.lines), now)
        return await self._tell(conn, id, EventType.INVOICE_CREATED, context)

    async def update(
        self,
        conn: Connection,
        invoice_id: str,
        account_id: str,
        livemode: bool,
        changes: Mapping[str, Any],
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """A draft with what is named changed. Raises: Conflict once it is final; Rejected."""
        row = await own(conn, invoice_id, account_id, livemode, lock=True)
        if row.state is not InvoiceState.DRAFT:
            raise Conflict(
                "invoice_unexpected_state",
                f"The invoice is {row.state}; only a draft can be changed.",
                next_step="Void it, and write another.",
            )
        draft = changed(row, changes, self.clock.now())
        await invoices.change(conn, row.id, draft, sums(draft.lines))
        return await self._tell(conn, row.id, EventType.INVOICE_UPDATED, context)

    async def finalize(
        self,
        conn: Connection,
        invoice_id: str,
        account_id: str,
        livemode: bool,
        asked: Asked,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """The draft stands from now on: it has a number, and a payment intent that asks for the money.

        Raises: Conflict when it is final already; Rejected, naming the parameter.
        """
        row = await own(conn, invoice_id, account_id, livemode, lock=True)
        INVOICE.step(row.state, InvoiceEvent.FINALIZE)
        if not row.lines:
            raise Rejected("parameter_missing", "An invoice has at least one line.", param="lines")
        now = self.clock.now()
        due = due_at(row, now)
        account = await accounts.get(conn, account_id)
        assert account is not None, "whoever asks has an account"
        seller = row.seller._replace(name=account.name)
        open_ = await invoices.advance_to_open(conn, row, seller, due, reminder(due, now), now)
        await self.intents.create(
            conn,
            account_id=account_id,
            livemode=livemode,
            request=_intent(open_, asked, due),
            context=context,
        )
        return await self._tell(conn, row.id, EventType.INVOICE_FINALIZED, context, row.state)

    async def void(
        self,
        conn: Connection,
        invoice_id: str,
        account_id: str,
        livemode: bool,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """Calls the invoice off, with its intent; the number stays taken.

        A part that came stays credited. Raises: Conflict when it is paid, void, or all of its money is on
        the chain.
        """
        before = await own(conn, invoice_id, account_id, livemode)
        intent = None
        if before.payment_intent_id is not None:
            intent = await payment_intents.lock(conn, before.payment_intent_id)
        row = await own(conn, invoice_id, account_id, livemode, lock=True)
        INVOICE.step(row.state, InvoiceEvent.CALL_OFF)
        if row.payment_intent_id != before.payment_intent_id:
            raise Conflict(
                "invoice_unexpected_state", "The invoice was made final just now.", next_step="Ask again."
            )
        if intent is not None and intent.state is not IntentState.CANCELED:
            if intent.state is not IntentState.REQUIRES_ACTION:
                raise Conflict(
                    "invoice_being_paid",
                    f"Money for the invoice is on the chain; its payment intent is {intent.state}.",
                    next_step="Wait until it is paid, and refund the payment.",
                )
            await self.intents.void(conn, intent, context)
        await invoices.advance(conn, row, InvoiceEvent.CALL_OFF, self.clock.now())
        return await self._tell(conn, row.id, EventType.INVOICE_VOIDED, context, row.state)

    async def mark_uncollectible(
        self,
        conn: Connection,
        invoice_id: str,
        account_id: str,
        livemode: bool,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """Nobody is reminded of it any more; money that comes still pays it. Raises: Conflict by state."""
        row = await own(conn, invoice_id, account_id, livemode, lock=True)
        await invoices.advance(conn, row, InvoiceEvent.WRITE_OFF, self.clock.now())
        return await self._tell(conn, row.id, EventType.INVOICE_MARKED_UNCOLLECTIBLE, context, row.state)

    async def _tell(
        self,
        conn: Connection,
        invoice_id: str,
        type: EventType,
        context: RequestContext,
        before: InvoiceState | None = None,
    ) -> dict[str, Any]:
        row = await invoices.get(conn, invoice_id)
        assert row is not None, "invoices are for ever"
        await self.outbox.append_many(conn, [happening(row, type, before)._replace(request=context)])
        return shown(row)


async def own(
    conn: Connection, invoice_id: str, account_id: str, livemode: bool, *, lock: bool = False
) -> InvoiceRow:
    """The account's invoice. Raises: NotFound, also when it is another's."""
    row = await (invoices.lock(conn, invoice_id) if lock else invoices.get(conn, invoice_id))
    if row is None or (row.account_id, row.livemode) != (account_id, livemode):
        raise NotFound("resource_missing", f"No such invoice: {invoice_id!r:.70}.", param="id")
    return row


def _intent(row: InvoiceRow, asked: Asked, due: datetime) -> IntentRequest:
    assert row.number is not None, "a final invoice has its number"
    number = numbered(InvoiceType.CUSTOMER, row.number, livemode=row.livemode)
    return IntentRequest(
        amount=display_units(row.total, SCALE),
        currency=row.currency,
        accepted=asked.accepted,
        expires_at=int(due.timestamp()),
        closes_at=int((due + DUE_MAX).timestamp()),
        underpay_tolerance_bps=asked.underpay_tolerance_bps,
        underpay_tolerance_abs=asked.underpay_tolerance_abs,
        late=asked.late,
        overpay=asked.overpay,
        finality=asked.finality,
        client_reference_id=row.client_reference_id,
        description=f"Invoice {number}",
        invoice=row.id,
        life_max=DUE_MAX,
    )
