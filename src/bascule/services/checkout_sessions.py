"""Checkout sessions: a page for one payment intent, which is made for it or wrapped by it.

Each use-case runs in the caller's transaction. A session is complete or expired in the transaction in which
its intent ends, and at no other moment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bascule.domain.checkout import STATUS_OF, read_return_url
from bascule.domain.errors import Conflict, NotFound, Rejected
from bascule.domain.ids import Prefix
from bascule.domain.payment_intent import IntentState
from bascule.services import intents
from bascule.services.checkout_view import shown
from bascule.services.intents import IntentRequest, Intents
from bascule.services.seams import Clock, Entropy, new_id
from bascule.storage import checkout_sessions
from bascule.storage.checkout_sessions import NewSession, SessionRow
from bascule.storage.database import Connection


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """What the page is for: an intent to be made, or the id of one that waits for its money."""

    asks: IntentRequest | str
    success_url: str | None = None
    cancel_url: str | None = None


@dataclass(frozen=True)
class CheckoutSessions:
    """Use-cases on checkout sessions. public_url: where the pages are, no slash at the end."""

    clock: Clock
    entropy: Entropy
    intents: Intents
    public_url: str

    async def create(
        self,
        conn: Connection,
        *,
        account_id: str,
        livemode: bool,
        request: SessionRequest,
        context: Mapping[str, Any],
    ) -> dict[str, Any]:
        """A new open session. Raises: Rejected, naming the parameter; Conflict by the intent's state."""
        for param in ("success_url", "cancel_url"):
            url: str | None = getattr(request, param)
            if url is not None:
                read_return_url(url, livemode=livemode, param=param)
        if isinstance(request.asks, str):
            intent_id = await self._waiting(conn, request.asks, account_id, livemode)
        else:
            made = await self.intents.create(
                conn, account_id=account_id, livemode=livemode, request=request.asks, context=context
            )
            intent_id = made["id"]
        id = new_id(Prefix.CHECKOUT_SESSION, self.clock, self.entropy)
        new = NewSession(
            id, account_id, livemode, intent_id, request.success_url, request.cancel_url, self.clock.now()
        )
        if not await checkout_sessions.insert(conn, new):
            raise Conflict(
                "checkout_session_exists", f"{intent_id} has a checkout session already.",
                param="payment_intent", next_step="List the sessions of this payment intent.",
            )  # fmt: skip
        return shown(await own(conn, id, account_id, livemode), self.public_url)

    async def expire(
        self,
        conn: Connection,
        session_id: str,
        account_id: str,
        livemode: bool,
        context: Mapping[str, Any],
    ) -> dict[str, Any]:
        """Ends an open session and calls its intent off. Raises: Conflict once money for it is here."""
        row = await own(conn, session_id, account_id, livemode)
        intent = await intents.own(conn, row.payment_intent_id, account_id, livemode, lock=True)
        if intent.state is not IntentState.REQUIRES_ACTION:
            raise Conflict(
                "checkout_session_unexpected_state",
                f"The session is {STATUS_OF[intent.state]}; its payment intent is {intent.state}.",
                next_step="Only an open session that nobody has paid can be ended.",
            )
        await self.intents.cancel(conn, intent, reason="abandoned", context=context)
        return shown(await own(conn, session_id, account_id, livemode), self.public_url)

    async def _waiting(self, conn: Connection, intent_id: str, account_id: str, livemode: bool) -> str:
        try:
            row = await intents.own(conn, intent_id, account_id, livemode, lock=True)
        except NotFound as error:
            raise Rejected("payment_intent_unknown", error.message, param="payment_intent") from None
        if row.state is not IntentState.REQUIRES_ACTION:
            raise Conflict(
                "payment_intent_unexpected_state", f"The payment intent is {row.state}.",
                param="payment_intent", next_step="A page is made for one that waits for its money.",
            )  # fmt: skip
        return row.id


async def own(conn: Connection, session_id: str, account_id: str, livemode: bool) -> SessionRow:
    """The account's session. Raises: NotFound, also when it is another's."""
    row = await checkout_sessions.get(conn, session_id)
    if row is None or (row.account_id, row.livemode) != (account_id, livemode):
        raise NotFound("resource_missing", f"No such checkout session: {session_id!r:.70}.", param="id")
    return row
