"""Refunds in the database: counted in one order by everybody; no login pays what none asks for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import LiteralString

import pytest
from psycopg import errors

from bascule.storage import spending
from tests.support.money_out import OpenAs
from tests.support.refunding import Refunding, refunding


@pytest.fixture
async def b(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Refunding]:
    async with refunding(db_as, tmp_path) as built:
        yield built
        await built.stage.require_truth()
        await built.world.require_even()


@pytest.mark.slow
async def test_refund_holds_no_balance_while_it_waits_to_be_counted(b: Refunding) -> None:
    """Whoever is counted first takes the balance next; the other order would be a deadlock."""
    refund = await b.claimed(await b.refund(await b.paid("10.00", "12.50"), overpayment_only=True))
    counted = asyncio.Event()

    async def take_turn() -> dict[str, int]:
        await counted.wait()
        return await b.turn()

    turn = asyncio.create_task(take_turn())
    async with b.stage.owner.transaction() as conn:
        await spending.serialize_spending(conn, b.world.merchant, b.stage.token.id)
        counted.set()
        for _ in range(200):
            waits = await conn.execute("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            if waits.rowcount:
                break
            await asyncio.sleep(0.05)
        assert waits.rowcount == 1
        await conn.execute("SELECT FROM ledger.balance FOR UPDATE NOWAIT")
    assert await turn == {"requires_action": 1}
    assert (await b.read(refund))["payout"] is not None


@pytest.mark.slow
async def test_logins_pay_only_what_a_refund_asks_for_and_undo_and_end_none_that_may_pay(
    b: Refunding,
) -> None:
    refund = await b.claimed(await b.refund(await b.paid("20.00"), amount="5.00"))
    await b.turn()
    forged: tuple[LiteralString, ...] = (
        "INSERT INTO payouts (id, account_id, livemode, identity, token_id, chain_id, vault, destination,"
        " amount, state, approvals_required, approval_expires_at, roster_version, policy_decision, metadata,"
        " requested_by, created_at) SELECT 'po_forged', account_id, livemode, 'forged', token_id, chain_id,"
        " vault, vault, amount, state, 1, approval_expires_at, roster_version, '{}', '{}', 'x', created_at"
        " FROM payouts",
        "UPDATE payouts SET state = 'pending', holds = 1, version = 2",
        "UPDATE refunds SET state = 'canceled', ended_at = now()",
        "UPDATE refunds SET state = 'succeeded', ended_at = now()",
    )
    for statement in forged:
        with pytest.raises(errors.InsufficientPrivilege):
            async with b.world.workers_db.transaction() as conn:
                await conn.execute(statement)
    undone: tuple[LiteralString, ...] = (
        "UPDATE refunds SET state = 'requires_action', claimed_at = NULL",
        "UPDATE refunds SET pays_at = created_at",
        "UPDATE refunds SET destination = decode(repeat('07', 20), 'hex')",
    )
    for statement in undone:
        with pytest.raises(errors.InsufficientPrivilege):
            async with b.stage.api.transaction() as conn:
                await conn.execute(statement)
    async with b.stage.owner.transaction() as conn:
        with pytest.raises(errors.CheckViolation, match="of 20000000 that is final"):
            await conn.execute(
                "INSERT INTO refunds (id, account_id, livemode, identity, payment_intent_id, token_id,"
                " amount, requested_by, created_at, claim_hash, claim_expires_at, state)"
                " SELECT 're_x', account_id, livemode, 'x', payment_intent_id, token_id, 15000001, 'x',"
                " now(), sha256('x'), now(),"
                " 'requires_action' FROM refunds"
            )
    assert (await b.read(refund))["status"] == "pending"
