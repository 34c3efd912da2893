"""Payment intents: money asked for, with an address of their own on every network they accept.

Each use-case runs in the caller's transaction: state, addresses and the telling of it commit together.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bascule.domain import forwarder
from bascule.domain.chain import Address
from bascule.domain.errors import Conflict, NotFound, Rejected
from bascule.domain.ids import Prefix
from bascule.domain.money import Money
from bascule.domain.payment_intent import PAYMENT_INTENT, Flag, IntentEvent
from bascule.domain.webhook import EventType
from bascule.services import checkout_view, quotes, restore
from bascule.services.intent_request import (
    MISSING,
    IntentRequest,
    Locked,
    Terms,
    accepted_tokens,
    level,
    read_terms,
)
from bascule.services.intent_view import Catalog, catalog, describe, describe_rows
from bascule.services.outbox import Outbox
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import early_policies, payment_intents
from bascule.storage.database import Connection
from bascule.storage.payment_intents import IntentRow, NewIntent

__all__ = ["IntentRequest", "Intents", "describe", "describe_rows"]

RequestContext = Mapping[str, Any] | None


@dataclass(frozen=True)
class Intents:
    """Use-cases on intents. deposit_seed: at least 16 secret bytes; whoever has it knows our addresses."""

    clock: Clock
    entropy: Entropy
    outbox: Outbox
    deposit_seed: bytes
    deposit_epoch: int = 0
    log_seen: restore.LogSeen = field(default_factory=restore.LogSeen)

    async def create(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        request: IntentRequest,
        context: RequestContext = None,
    ) -> dict[str, Any]:
        """A new intent and its deposit addresses. Raises: Rejected, naming the parameter at fault."""
        now = self.clock.now()
        known = await catalog(conn)
        locked = await _locked_price(conn, request, account_id, livemode, now)
        terms = read_terms(request, now, locked)
        accepted = accepted_tokens(request, terms, known, livemode=livemode)
        finality = level(request, terms, await early_policies.current(conn, account_id))
        token_ids = [token.id for token in accepted]
        row = await payment_intents.insert(
            conn, self._new(account_id, livemode, request, terms, token_ids, finality, now)
        )
        await self._bind_addresses(conn, row, known, {token.chain_id for token in accepted})
        return await self._tell(conn, row.id, EventType.INTENT_CREATED, None, context)

    async def update(
        self,
        conn: Connection,
        row: IntentRow,
        *,
        description: str | None,
        metadata: Mapping[str, str] | None,
    ) -> dict[str, Any]:
        """Changes the merchant's own words: `None` leaves, empty removes, metadata merges by key."""
        merged = {**row.metadata, **(metadata or {})}
        await payment_intents.change_details(
            conn,
            row.id,
            row.description if description is None else description or None,
            {key: value for key, value in merged.items() if value != ""},
        )
        return await describe(conn, row.id)

    async def cancel(
        self, conn: Connection, row: IntentRow, *, reason: str, context: RequestContext = None
    ) -> dict[str, Any]:
        """Calls the intent off; money that comes later stays unapplied. Raises: Conflict by state."""
        if row.invoice_id is not None:
            raise Conflict(
                "payment_intent_of_invoice", f"The payment intent asks for invoice {row.invoice_id}.",
                param="id", next_step=f"POST /v1/invoices/{row.invoice_id}/void calls off both.",
            )  # fmt: skip
        return await self._end(conn, row, IntentEvent.CANCEL, reason, context)

    async def void(self, conn: Connection, row: IntentRow, context: RequestContext = None) -> None:
        """Calls a locked intent off with its invoice. Raises: Conflict by state."""
        await self._end(conn, row, IntentEvent.CANCEL, "void_invoice", context)

    async def close(self, conn: Connection, intent_id: str) -> dict[str, Any]:
        """Ends an unpaid intent; the caller has seen every accepted chain pass `closes_at`."""
        return await self._end(conn, await _locked(conn, intent_id), IntentEvent.CLOSE, "expired", None)

    async def expire(self, conn: Connection, intent_id: str) -> bool:
        """Marks that `expires_at` passed while money was missing; False when known already or moot."""
        row = await _locked(conn, intent_id)
        if Flag.EXPIRED in row.flags or not PAYMENT_INTENT.may(row.state, IntentEvent.CLOSE):
            return False
        flags = {*row.flags, Flag.EXPIRED}
        await payment_intents.record_totals(conn, row.id, row.received, row.confirmed, flags)
        await self._tell(conn, row.id, EventType.INTENT_EXPIRED, {"flags": list(row.flags)}, None)
        return True

    async def _end(
        self,
        conn: Connection,
        row: IntentRow,
        event: IntentEvent,
        reason: str,
        context: RequestContext,
    ) -> dict[str, Any]:
        to = PAYMENT_INTENT.step(row.state, event)
        await payment_intents.advance(conn, row.id, row.state, to, at=self.clock.now(), reason=reason)
        shown = await self._tell(conn, row.id, EventType.INTENT_CANCELED, {"status": str(row.state)}, context)
        await self.outbox.append_many(conn, await checkout_view.ended(conn, [row.id], context))
        return shown

    async def _tell(
        self,
        conn: Connection,
        intent_id: str,
        type: EventType,
        previous: Mapping[str, Any] | None,
        context: RequestContext,
    ) -> dict[str, Any]:
        row = await _locked(conn, intent_id)
        [shown] = await describe_rows(conn, [row])
        await self.outbox.append(
            conn,
            account_id=row.account_id,
            livemode=row.livemode,
            type=type,
            object_id=row.id,
            object_version=row.version,
            object=shown,
            previous=previous,
            request=context,
        )
        return shown

    def _new(
        self,
        account_id: str,
        livemode: bool,
        request: IntentRequest,
        terms: Terms,
        token_ids: list[str],
        finality: str,
        now: datetime,
    ) -> NewIntent:
        id = new_id(Prefix.PAYMENT_INTENT, self.clock, self.entropy)
        return NewIntent(
            id=id,
            account_id=account_id,
            livemode=livemode,
            currency=terms.due.currency,
            due=terms.due.units,
            accepted_tokens=token_ids,
            underpay_tolerance_bps=request.underpay_tolerance_bps,
            underpay_tolerance_abs=terms.tolerance_abs,
            late_policy=request.late,
            overpay_policy=request.overpay,
            finality=finality,
            expires_at=terms.expires_at,
            closes_at=terms.closes_at,
            client_reference_id=request.client_reference_id,
            description=request.description,
            metadata=dict(request.metadata),
            quote_id=request.quote,
            invoice_id=request.invoice,
            client_secret=f"{id}_secret_{b32encode(self.entropy.bytes(20)).decode().lower()}",
            created_at=now,
        )

    async def _bind_addresses(
        self, conn: Connection, row: IntentRow, known: Catalog, accepted: set[int]
    ) -> None:
        """One number for the intent: the same salt on every network.

        Where another network's factory puts the same address, it is ours there too: a payer who takes the
        wrong network, or test money for real money, has paid us, and that is seen.
        """
        await restore.require_checked(conn, self.deposit_epoch, self.log_seen)
        n = await payment_intents.next_address_number(conn)
        salt = forwarder.salt(self.deposit_seed, self.deposit_epoch, n)
        made: dict[int, tuple[Address, Address]] = {}
        for chain_id, network in sorted(known.networks.items()):
            if network.deposit_factory is not None:
                implementation = network.forwarder or forwarder.implementation_address(
                    network.deposit_factory
                )
                address = forwarder.clone_address(network.deposit_factory, implementation, salt)
                made[chain_id] = address, network.deposit_factory
        assert accepted <= set(made), "accepted_tokens lets only networks with a factory through"
        shown = {made[chain_id][0] for chain_id in accepted}
        for chain_id, (address, factory) in made.items():
            if address in shown:
                await payment_intents.insert_address(
                    conn, row, chain_id, address, factory=factory, epoch=self.deposit_epoch, n=n
                )


async def _locked_price(
    conn: Connection, request: IntentRequest, account_id: str, livemode: bool, now: datetime
) -> Locked | None:
    """What the request's quote says, which is used by this. Raises: Rejected."""
    if request.quote is None:
        return None
    for param, named in (
        ("amount", request.amount is not MISSING),
        ("currency", request.currency is not None),
    ):
        if named:
            raise Rejected("parameter_invalid", "The quote says what is due; leave this out.", param=param)
    quote = await quotes.use(conn, request.quote, account_id, livemode, now)
    return Locked(Money(quote.due, quote.currency), quote.lock_expires_at)


async def own(
    conn: Connection, intent_id: str, account_id: str, livemode: bool, *, lock: bool = False
) -> IntentRow:
    """The account's intent. Raises: NotFound, also when it is another's."""
    row = await (payment_intents.lock(conn, intent_id) if lock else payment_intents.get(conn, intent_id))
    if row is None or (row.account_id, row.livemode) != (account_id, livemode):
        raise NotFound("resource_missing", f"No such payment intent: {intent_id!r:.70}.", param="id")
    return row


async def _locked(conn: Connection, intent_id: str) -> IntentRow:
    row = await payment_intents.lock(conn, intent_id)
    if row is None:
        raise NotFound("resource_missing", f"No such payment intent: {intent_id!r:.70}.", param="id")
    return row
