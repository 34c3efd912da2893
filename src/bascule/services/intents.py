"""Payment intents: money asked for, with an address of their own on every network they accept.

Each use-case runs in the caller's transaction: state, addresses and the telling of it commit together.
"""

from __future__ import annotations

from base64 import b32encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from bascule.domain import forwarder
from bascule.domain.early import EarlyPolicy
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
    accepted_tokens,
    level,
    read_terms,
)
from bascule.services.intent_view import Catalog, catalog, describe, describe_many, look, show
from bascule.services.outbox import Happening, Outbox
from bascule.services.seams import Clock, Entropy, new_ids
from bascule.storage import early_policies, payment_intents
from bascule.storage.database import Connection
from bascule.storage.payment_intents import BoundAddress, IntentRow, NewIntent

__all__ = ["IntentRequest", "Intents", "describe", "describe_many", "look"]

RequestContext = Mapping[str, Any] | None


class Order(NamedTuple):
    """An intent that is asked for. context: what its event says of the request that asked."""

    account_id: str
    livemode: bool
    request: IntentRequest
    context: RequestContext = None


class Owned(NamedTuple):
    """An intent's id, and whose it has to be."""

    intent_id: str
    account_id: str
    livemode: bool


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
        [made] = await self.create_many(conn, [Order(account_id, livemode, request, context)])
        if isinstance(made, Rejected):
            raise made
        return made

    async def create_many(self, conn: Connection, orders: Sequence[Order]) -> list[dict[str, Any] | Rejected]:
        """New intents and their deposit addresses, in order; what is refused has written nothing."""
        known = await catalog(conn)
        drafts = await self._drafts(conn, orders, known)
        new = [draft for draft in drafts if not isinstance(draft, Rejected)]
        if not new:
            return [draft for draft in drafts if isinstance(draft, Rejected)]
        bound = await self._addresses(conn, new, known)
        await payment_intents.insert(conn, new, [address for of_one in bound for address in of_one])
        shown = {
            draft.id: show(draft.row, known, addresses) for draft, addresses in zip(new, bound, strict=True)
        }
        happenings = [
            Happening(
                order.account_id,
                order.livemode,
                EventType.INTENT_CREATED,
                draft.id,
                1,
                shown[draft.id],
                None,
                order.context,
            )
            for order, draft in zip(orders, drafts, strict=True)
            if not isinstance(draft, Rejected)
        ]
        await self.outbox.append_many(conn, happenings)
        return [draft if isinstance(draft, Rejected) else shown[draft.id] for draft in drafts]

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
        shown = await describe(conn, row.id)
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

    async def _drafts(
        self, conn: Connection, orders: Sequence[Order], known: Catalog
    ) -> list[NewIntent | Rejected]:
        now = self.clock.now()
        ids = new_ids(Prefix.PAYMENT_INTENT, self.clock, self.entropy, len(orders))
        prices = await _locked_prices(conn, orders, now)
        policies = await early_policies.current(conn, {order.account_id for order in orders})
        drafts: list[NewIntent | Rejected] = []
        for id, order, price in zip(ids, orders, prices, strict=True):
            try:
                if isinstance(price, Rejected):
                    raise price
                drafts.append(self._draft(id, order, price, known, policies[order.account_id], now))
            except Rejected as refused:
                drafts.append(refused)
        return drafts

    def _draft(
        self, id: str, order: Order, price: Locked | None, known: Catalog, policy: EarlyPolicy, now: datetime
    ) -> NewIntent:
        request = order.request
        terms = read_terms(request, now, price)
        accepted = accepted_tokens(request, terms, known, livemode=order.livemode)
        return NewIntent(
            id=id,
            account_id=order.account_id,
            livemode=order.livemode,
            currency=terms.due.currency,
            due=terms.due.units,
            accepted_tokens=tuple(token.id for token in accepted),
            underpay_tolerance_bps=request.underpay_tolerance_bps,
            underpay_tolerance_abs=terms.tolerance_abs,
            late_policy=request.late,
            overpay_policy=request.overpay,
            finality=level(request, terms, policy),
            expires_at=terms.expires_at,
            closes_at=terms.closes_at,
            client_reference_id=request.client_reference_id,
            description=request.description,
            metadata=dict(request.metadata),
            client_secret=f"{id}_secret_{b32encode(self.entropy.bytes(20)).decode().lower()}",
            quote_id=request.quote,
            invoice_id=request.invoice,
            created_at=now,
        )

    async def _addresses(
        self, conn: Connection, new: Sequence[NewIntent], known: Catalog
    ) -> list[list[BoundAddress]]:
        """Where each is paid, by chain id. One number for an intent: the same salt on every network.

        Where another network's factory puts the same address, it is ours there too: a payer who takes the
        wrong network, or test money for real money, has paid us, and that is seen.
        """
        await restore.require_checked(conn, self.deposit_epoch, self.log_seen)
        numbers = await payment_intents.next_address_numbers(conn, len(new))
        return [self._bound(each, n, known) for each, n in zip(new, numbers, strict=True)]

    def _bound(self, new: NewIntent, n: int, known: Catalog) -> list[BoundAddress]:
        salt = forwarder.salt(self.deposit_seed, self.deposit_epoch, n)
        made: list[BoundAddress] = []
        for chain_id, network in sorted(known.networks.items()):
            if (factory := network.deposit_factory) is not None:
                implementation = network.forwarder or forwarder.implementation_address(factory)
                address = forwarder.clone_address(factory, implementation, salt)
                made.append(
                    BoundAddress(chain_id, address, new.id, new.account_id, factory, self.deposit_epoch, n)
                )
        accepted = {known.tokens[id].chain_id for id in new.accepted_tokens}
        shown = {each.address for each in made if each.chain_id in accepted}
        return [each for each in made if each.address in shown]


async def _locked_prices(
    conn: Connection, orders: Sequence[Order], now: datetime
) -> list[Locked | Rejected | None]:
    """What each request's quote says, which is used by it; taken in one order by everybody."""
    found: list[Locked | Rejected | None] = [None] * len(orders)
    quoted = [place for place, order in enumerate(orders) if order.request.quote is not None]
    for place in sorted(quoted, key=lambda place: orders[place].request.quote or ""):
        try:
            found[place] = await _locked_price(conn, orders[place], now)
        except Rejected as refused:
            found[place] = refused
    return found


async def _locked_price(conn: Connection, order: Order, now: datetime) -> Locked:
    request = order.request
    for param, named in (
        ("amount", request.amount is not MISSING),
        ("currency", request.currency is not None),
    ):
        if named:
            raise Rejected("parameter_invalid", "The quote says what is due; leave this out.", param=param)
    assert request.quote is not None, "it is its price"
    quote = await quotes.use(conn, request.quote, order.account_id, order.livemode, now)
    return Locked(Money(quote.due, quote.currency), quote.lock_expires_at)


async def own(
    conn: Connection, intent_id: str, account_id: str, livemode: bool, *, lock: bool = False
) -> IntentRow:
    """The account's intent. Raises: NotFound, also when it is another's."""
    row = await (payment_intents.lock(conn, intent_id) if lock else payment_intents.get(conn, intent_id))
    if row is None or (row.account_id, row.livemode) != (account_id, livemode):
        raise _missing(intent_id)
    return row


async def look_at_own(
    conn: Connection, intent_id: str, account_id: str, livemode: bool
) -> tuple[IntentRow, dict[str, Any]]:
    """The account's intent, as stored and as the API shows it. Raises: NotFound, also if it is another's."""
    [found] = await look_at_each(conn, [Owned(intent_id, account_id, livemode)])
    if isinstance(found, NotFound):
        raise found
    return found


async def look_at_each(
    conn: Connection, wanted: Sequence[Owned]
) -> list[tuple[IntentRow, dict[str, Any]] | NotFound]:
    """Each one's intent, in order, as stored and as the API shows it; NotFound also where it is another's."""
    looked = await look(conn, list({each.intent_id for each in wanted})) if wanted else []
    found = {Owned(row.id, row.account_id, row.livemode): (row, shown) for row, shown in looked}
    return [found.get(each) or _missing(each.intent_id) for each in wanted]


async def _locked(conn: Connection, intent_id: str) -> IntentRow:
    row = await payment_intents.lock(conn, intent_id)
    if row is None:
        raise _missing(intent_id)
    return row


def _missing(intent_id: str) -> NotFound:
    return NotFound("resource_missing", f"No such payment intent: {intent_id!r:.70}.", param="id")
