"""A float as the API and its events show it."""

from __future__ import annotations

from typing import Any

from bascule.domain.chain import caip2, checksum
from bascule.domain.money import display_units
from bascule.storage.floats import Float


def describe(seen: Float, *, livemode: bool) -> dict[str, Any]:
    """A token in a vault: what it holds, what is wanted of it, and what treasury is asked to send."""

    def amount(units: int) -> dict[str, str]:
        return {"amount": display_units(units, seen.decimals), "amount_atomic": str(units)}

    now, limit = seen.standing, seen.limit
    return {
        "id": f"{caip2(seen.chain_id)}/{checksum(seen.vault)}/{seen.token_id}",
        "object": "float",
        "network": caip2(seen.chain_id),
        "vault": checksum(seen.vault),
        "token": seen.token_id,
        "currency": seen.currency,
        "contract": checksum(seen.contract),
        "decimals": seen.decimals,
        "held": amount(now.held),
        "in_flight": amount(now.paying),
        "available": amount(now.available),
        "waiting": amount(now.waiting),
        "missing": amount(now.missing),
        "runway_seconds": None if now.runway is None else int(now.runway.total_seconds()),
        "low": now.low,
        "limit": None if limit is None else {
            **amount(limit.amount), "window_seconds": limit.window_s, "left": amount(limit.left),
        },
        "top_up": {
            "status": "none" if seen.proposed is None else "seen" if seen.coming else "open",
            "reason": seen.reason,
            "proposed": amount(seen.proposed or 0),
            "coming": amount(seen.coming),
            "proposed_at": None if seen.proposed_at is None else int(seen.proposed_at.timestamp()),
        },
        "seen_at": None if seen.seen_at is None else int(seen.seen_at.timestamp()),
        "livemode": livemode,
    }  # fmt: skip
