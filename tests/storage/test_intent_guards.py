"""What an intent asks for never changes, and whether its money came is the watcher's to say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import LiteralString

import pytest
from psycopg import errors

from tests.support.cases import case
from tests.support.money_in import Bridge, OpenAs, bridge


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


MONEY: tuple[LiteralString, ...] = (
    "UPDATE payment_intents SET state = 'succeeded', succeeded_at = now() WHERE id = %s",
    "UPDATE payment_intents SET state = 'processing' WHERE id = %s",
    "UPDATE payment_intents SET received = due WHERE id = %s",
    "UPDATE payment_intents SET confirmed = due WHERE id = %s",
    "UPDATE payment_intents SET flags = '{reversed}' WHERE id = %s",
    "UPDATE payment_intents SET flags = '{reorged,overpaid}' WHERE id = %s",
    "UPDATE payment_intents SET succeeded_by = 'finalized' WHERE id = %s",
    "INSERT INTO payment_intents (id, received) SELECT 'pi_x', due FROM payment_intents WHERE id = %s",
)


async def test_api_role_cannot_say_that_money_came(b: Bridge) -> None:
    intent = await b.intent("10.00")

    async with b.api.read() as conn:
        for statement in MONEY:
            with case(statement), pytest.raises(errors.InsufficientPrivilege):
                await conn.execute(statement, [intent["id"]])


PROMISES: tuple[LiteralString, ...] = (
    "due = 1",
    "account_id = 'acct_operator'",
    "underpay_tolerance_bps = 10000",
    "closes_at = expires_at",
    "accepted_tokens = '{x}'",
)


@pytest.mark.parametrize("role", ["api", "watcher", "worker"])
async def test_no_process_changes_what_a_payer_was_promised(b: Bridge, db_as: OpenAs, role: str) -> None:
    intent = await b.intent("10.00")

    async with (await db_as(role)).read() as conn:
        for change in PROMISES:
            with case(change), pytest.raises(errors.InsufficientPrivilege):
                await conn.execute("UPDATE payment_intents SET " + change + " WHERE id = %s", [intent["id"]])


async def test_a_canceled_intent_stays_canceled_for_the_api_role(b: Bridge) -> None:
    intent = await b.intent("10.00")
    await b.cancel(intent)

    async with b.api.read() as conn:
        with pytest.raises(errors.InsufficientPrivilege):
            await conn.execute(
                "UPDATE payment_intents SET state = 'requires_action', canceled_at = NULL WHERE id = %s",
                [intent["id"]],
            )
