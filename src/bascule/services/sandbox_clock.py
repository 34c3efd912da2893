"""Test clocks: what waits for its time is brought on, and everything else finds it so.

No clock is moved: leases, signatures and approvals of everybody stand on it. The deadlines of one
account's test objects come nearer instead, by the span, which to them is the same; a block before and two
after make the chain as late. What somebody signed keeps its end, and so do keys: neither is ours to move.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from bascule.domain.errors import Rejected
from bascule.services.sandbox import Place, Sandbox
from bascule.services.seams import Clock
from bascule.storage import test_clocks

LONGEST = timedelta(days=366)


async def advance(
    box: Sandbox, clock: Clock, account_id: str, livemode: bool, seconds: int
) -> dict[str, Any]:
    """Brings every deadline of the account's test objects nearer. Raises: Rejected, Forbidden.

    What waits in a node's pool is mined first and was in time; so was all that was paid before.
    """
    _require_sensible(seconds)
    known = await box.known(livemode)
    places = [
        Place(known.networks[each], box.nodes[each]) for each in sorted(box.nodes.keys() & known.networks)
    ]
    reached = int(clock.now().timestamp())
    for place in places:
        await place.node.mine(1)
        reached = max(reached, int((await place.node.head())["timestamp"], 16))
    async with box.db.transaction() as conn:
        moved = await test_clocks.advance(
            conn, account_id, seconds=seconds, reached=datetime.fromtimestamp(reached, UTC)
        )
    return {
        "object": "test_helpers.test_clock",
        "seconds": seconds,
        "moved": dict(moved),
        "heads": [await box.mine(place, 2) for place in places],
    }


def _require_sensible(seconds: int) -> None:
    if seconds <= 0:
        raise Rejected(
            "test_clock_backwards", "A test clock only goes on: seconds is at least 1.", param="seconds"
        )
    if seconds > LONGEST.total_seconds():
        raise Rejected(
            "test_clock_too_far",
            f"A test clock goes on by at most {LONGEST.days} days at once.",
            param="seconds",
            next_step="Advance several times; what falls due in between happens in between, as in life.",
        )
