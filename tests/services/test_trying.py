"""A transfer that is tried is decided as the same transfer is once it is made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from bascule.services.trying import Transfer, try_transfer
from bascule.storage import payment_intents
from tests.support.money_in import Bridge, OpenAs, bridge

SHOWN = (
    "status", "flags", "amount_received", "amount_confirmed", "amount_remaining", "amount_overpaid",
)  # fmt: skip


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def tried(b: Bridge, intent: dict[str, Any], amount: str, after: float = 0) -> dict[str, Any]:
    """The trial, under the API's login, which may read but here does not write."""
    token = intent["accepted"][0]["token"]
    async with b.api.read() as conn:
        row = await payment_intents.get(conn, intent["id"])
        assert row is not None
        at = b.clock.now() + timedelta(seconds=after)
        return await try_transfer(conn, row, Transfer(token, amount, at))


def as_shown(found: dict[str, Any]) -> dict[str, Any]:
    return {name: found[name] for name in SHOWN}


async def test_trial_foretells_what_the_real_transfer_makes_of_the_intent(b: Bridge) -> None:
    watcher = await b.started()
    intent = await b.intent("10.50")
    for amount in ("4.00", "7.00"):
        told_before = len(await b.events())
        foretold = await tried(b, intent, amount)
        await b.pay(intent, amount)
        await b.settle_down(watcher)
        shown = await b.shown(intent)
        told = [event for event in (await b.events())[told_before:] if event.startswith("payment_intent.")]

        assert as_shown(foretold["when_seen"]) == as_shown(shown), amount
        assert (foretold["application"], foretold["unapplied_reason"]) == ("applied", None)
        assert foretold["when_seen"]["events"] == told, amount

    told_before = len(await b.events())
    await b.finalize(watcher)
    shown = await b.shown(intent)
    too_much = await tried(b, intent, "1.00")

    assert (shown["status"], shown["flags"]) == ("succeeded", ["overpaid"])
    assert foretold["when_final"]["status"] == "succeeded"
    assert (too_much["application"], too_much["unapplied_reason"]) == ("unapplied", "already_paid")
    assert too_much["because"] == "The intent was covered in full before this transfer."
    assert too_much["when_seen"]["amount_received"] == shown["amount_received"]


async def test_trial_knows_the_clocks_of_the_intent(b: Bridge) -> None:
    await b.started()
    intent = await b.intent("10.50")
    late, over = await tried(b, intent, "10.50", 2 * 3600), await tried(b, intent, "10.50", 26 * 3600)

    assert (late["application"], late["when_final"]["flags"]) == ("applied", ["late"])
    assert late["when_final"]["status"] == "succeeded"
    assert late["when_final"]["amount_confirmed"] == "10.500000"
    assert (over["application"], over["unapplied_reason"]) == ("unapplied", "intent_closed")
    assert over["when_final"]["status"] == "requires_action"
