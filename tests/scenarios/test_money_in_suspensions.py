"""Stories of suspensions that end while something else happens."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bascule.services.token_resuming import resume
from bascule.storage import deposits
from tests.support.money_in import Bridge, OpenAs, bridge


@pytest.fixture
async def b(db_as: OpenAs) -> AsyncIterator[Bridge]:
    async with bridge(db_as) as made:
        yield made


async def test_movement_that_waits_is_not_forgotten_when_an_operator_resumes_while_a_block_becomes_final(
    b: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator's word is committed after movements were looked for, and before that transaction ends."""
    watcher = await b.started()
    await b.send(b.account(4).address, "9.00", payer=3)
    await b.finalize(watcher)
    async with b.owner.transaction() as conn:
        await conn.execute(
            "INSERT INTO token_suspensions (token_id, cause, evidence, from_number, opened_at)"
            " SELECT %s, 'upgraded', '{}', finalized_number, now() FROM cursors", [b.token.id],
        )  # fmt: skip
    await b.send(b.account(5).address, "4.00", payer=4)
    await b.finalize(watcher)
    really = deposits.mark_flushed

    async def resumed_first(*args: Any) -> int:
        monkeypatch.undo()
        async with b.owner.transaction() as conn:
            assert await resume(conn, b.token.id, reason="looked at it", clock=b.clock, outbox=b.outbox)
        return await really(*args)

    monkeypatch.setattr(deposits, "mark_flushed", resumed_first)
    await b.finalize(watcher)
    await b.finalize(watcher)

    booked = await b.booked()
    assert (booked["custody:vault"], booked.get("custody:collector")) == (5_000_000, 4_000_000)
    assert await b.rows("SELECT DISTINCT settled FROM token_suspensions") == [(True,)]
