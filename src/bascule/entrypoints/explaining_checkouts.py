"""A checkout session from all sides: its page's status, the payment behind it, and what happens next."""

from __future__ import annotations

from typing import Any

from bascule.domain.checkout import CheckoutStatus
from bascule.domain.errors import NotFound
from bascule.domain.payment_intent import PAYMENT_INTENT
from bascule.services import checkout_view
from bascule.storage import checkout_sessions
from bascule.storage.database import Connection


async def session(conn: Connection, session_id: str) -> dict[str, Any]:
    """A session: what it asks for, of which payment intent, and who has to do something. Raises: NotFound."""
    row = await checkout_sessions.get(conn, session_id)
    if row is None:
        raise NotFound(
            "resource_missing", f"No such checkout session: {session_id}.", next_step="copy the id whole"
        )
    shown = checkout_view.shown(row, "")
    nexts = {
        CheckoutStatus.OPEN: f"its payment goes on: `bascule explain {row.payment_intent_id}`",
        CheckoutStatus.COMPLETE: "nothing: it is paid",
        CheckoutStatus.EXPIRED: "nothing: no money can complete it any more",
    }
    return {
        "object": f"checkout session {session_id}",
        "state": f"{shown['status']}, as its payment is {row.state}: {PAYMENT_INTENT.sentences[row.state]}",
        "amount": f"{shown['amount_total']} {row.currency}",
        "page": shown["url"],
        "payment_intent": row.payment_intent_id,
        "success_url": row.success_url,
        "cancel_url": row.cancel_url,
        "expires_at": shown["expires_at"],
        "closes_at": shown["closes_at"],
        "next": nexts[CheckoutStatus(shown["status"])],
    }
