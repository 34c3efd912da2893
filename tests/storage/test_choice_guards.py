"""What the API refuses to decide about a deposit, the database refuses its login as well."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import LiteralString

import psycopg
import pytest

from tests.support.money_in import Bridge, OpenAs, bridge

KEEP = (
    "UPDATE applications SET state = 'accepted', reason = NULL, amount_applied = 0 WHERE state = 'unapplied'"
)
COUNT = (
    "UPDATE applications SET state = 'applied', reason = NULL, intent_id = i.id, chosen = true"
    " FROM payment_intents i WHERE i.state = 'requires_action' AND applications.state = 'unapplied'"
)


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    """A final payment lies in suspense, and an intent waits."""
    async with bridge(db_as) as made:
        watcher = await made.started()
        canceled = await made.intent("10.00")
        await made.cancel(canceled)
        await made.pay(canceled, "10.00")
        await made.finalize(watcher)
        await made.intent("10.00")
        yield made


async def words_of_the_api(b: Bridge, statement: LiteralString) -> None:
    """Raises: RuntimeError when the database takes them, and nothing is kept."""
    async with b.api.transaction() as conn:
        await conn.execute(statement)
        raise RuntimeError


@pytest.mark.parametrize(
    ("statement", "obstacle", "undone"),
    [
        (KEEP, "INSERT INTO token_suspensions (token_id, cause, evidence, from_number, opened_at)"
               " SELECT id, 'by test', '{}', 0, now() FROM tokens", "DELETE FROM token_suspensions"),
        (KEEP, "UPDATE deposits SET amount = 10::numeric ^ 42 + 1", "UPDATE deposits SET amount = 10000000"),
        (COUNT, "UPDATE tokens SET currency = 'eurc'", "UPDATE tokens SET currency = 'usdt'"),
    ],
    ids=["suspended", "beyond belief", "another currency"],
)  # fmt: skip
async def test_the_apis_login_cannot_decide_what_the_api_refuses(
    b: Bridge, statement: LiteralString, obstacle: LiteralString, undone: LiteralString
) -> None:
    """The database refuses it; without the obstacle the same words would do."""
    for done, refusal in ((obstacle, psycopg.errors.InsufficientPrivilege), (undone, RuntimeError)):
        async with b.owner.transaction() as conn:
            await conn.execute(done)
        with pytest.raises(refusal):
            await words_of_the_api(b, statement)
