"""Money out to an address that proves to be ours: it is paid once, and lies in our books once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bascule.domain.chain import parse_address
from bascule.services.reconciler import Reconciler
from bascule.services.seams import SystemEntropy
from bascule.storage import addresses, verification
from tests.support.money_out import FLOAT, OpenAs, Treasury, payee, treasury


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def becomes_ours(stage: Treasury, destination: str, kind: str) -> None:
    """As a check after a restore watches it, or an operator registers it."""
    address, chain_id = parse_address(destination), stage.network.chain_id
    async with stage.owner.transaction() as conn:
        if kind == "wallet":
            await addresses.add_own(conn, chain_id, address, "wallet")
        else:
            await conn.execute(
                "INSERT INTO deposit_addresses (chain_id, address, account_id, factory, epoch, n)"
                " VALUES (%s, %s, %s, %s, 0, 7)",
                (chain_id, address, stage.operator, address),
            )


async def require_even_books(stage: Treasury) -> None:
    """The books hold what the chain does, wherever it lies."""
    rpcs = {stage.network.chain_id: stage.watcher._rpc}
    outbox = stage.use_cases.outbox
    [(_, found)] = await Reconciler(stage.owner, stage.clock, SystemEntropy(), outbox, rpcs).reconcile()
    assert (found.residual, found.on_chain) == (0, FLOAT)
    await stage.require_truth()
    assert await verification.verify(stage.owner) == []


@pytest.mark.parametrize("kind", ["forwarder", "wallet"])
async def test_a_payout_in_flight_to_an_address_that_becomes_ours_is_paid_and_booked_once(
    stage: Treasury, kind: str
) -> None:
    payout = await stage.approved("5.00", payee(1))
    submitter = await stage.submitter()
    await submitter.run_once()
    await becomes_ours(stage, payee(1), kind)
    await stage.follow(3)
    await require_even_books(stage)

    await submitter.run_once()

    assert await stage.status(payout) == "paid"
    custody = await stage.rows("SELECT code, posted FROM ledger.balances WHERE token_id = %s", stage.token.id)
    assert dict(custody) == {
        "custody:vault": FLOAT - 5_000_000,
        f"custody:{kind}s": 5_000_000,
        "available:" + stage.operator: -FLOAT,
    }
    await require_even_books(stage)


async def test_a_payee_that_becomes_ours_after_it_was_paid_holds_the_operators_money(stage: Treasury) -> None:
    payout = await stage.approved("5.00", payee(1))
    await stage.run()
    assert await stage.status(payout) == "paid"
    await becomes_ours(stage, payee(1), "forwarder")

    await stage.follow(3)

    assert await stage.rows("SELECT count(*) FROM ledger.tx WHERE kind = 'found'") == [(1,)]
    await require_even_books(stage)


async def test_only_what_waits_for_its_payout_is_looked_at_again(stage: Treasury) -> None:
    """Not every address that was stored since: there may be a million."""
    payout = await stage.approved("5.00", payee(1))
    submitter = await stage.submitter()
    await submitter.run_once()
    await stage.follow(3)
    await becomes_ours(stage, payee(1), "forwarder")

    await stage.follow(1)
    [(stored_in,)] = await stage.rows("SELECT stored_in FROM deposit_addresses")
    assert stage.watcher._addresses_since > stored_in
    assert len(stage.watcher._waiting) == 1

    await submitter.run_once()
    await stage.follow(1)
    assert await stage.status(payout) == "paid"
    assert stage.watcher._waiting == []
    await require_even_books(stage)
