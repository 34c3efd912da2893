"""What the signer refuses after a restore, and bytes of before may still pay: nobody else has its money."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.domain import stops
from bascule.domain.chain import parse_address
from bascule.storage import ledger, signer_stops
from tests.scenarios.test_lane_lost import check
from tests.scenarios.test_lost_bytes import Lost, lose, past_every_deadline
from tests.support.backups import Backups
from tests.support.limits import limit_items
from tests.support.money_out import LIMIT, Treasury, payee

FIVE = 5_000_000


async def let_pay(stage: Treasury, how: str, *, allowed: bool) -> None:
    """Of 5.00 to payee 1 the signer says no before anything is reserved, or only when it is to sign."""
    if how == "item_limit_exceeded":
        await limit_items(stage, LIMIT if allowed else FIVE - 1)
        return
    async with stage.owner.transaction() as conn:
        scope = stops.destination(parse_address(payee(1)))
        await signer_stops.set(conn, scope, stopped=not allowed, reason="looked at")


async def held(stage: Treasury) -> int:
    """Base units that the account's payouts hold."""
    async with stage.owner.read() as conn:
        return sum(balance.held_debit for balance in await ledger.balances_of(conn, stage.operator))


async def refused(stage: Treasury, backups: Backups, folder: Path, how: str) -> Lost:
    """A payout that the signer refuses after the restore: it waits, and its money is held."""
    lost = await lose(stage, backups, folder)
    await let_pay(stage, how, allowed=False)
    lane = await stage.submitter()
    await stage.run(lane, rounds=3)
    shown = await stage.read(lost.payout)
    assert (shown["status"], shown["waits_for"], await held(stage)) == ("pending", "restore_unsettled", FIVE)
    return lost


@pytest.mark.slow
async def test_payout_that_the_signer_would_refuse_keeps_its_money_as_bytes_of_before_may_pay_it(
    stage: Treasury, backups: Backups, tmp_path: Path
) -> None:
    lost = await refused(stage, backups, tmp_path, "item_limit_exceeded")
    assert await stage.rows("SELECT count(*) FROM slots") == [(0,)]
    await lost.run(stage)
    assert (await check(stage))["31337/vault-0"]["batches"] == 1

    assert (await stage.status(lost.payout), await held(stage)) == ("paid", 0)
    assert await stage.transfers_out() == [(payee(1), FIVE)]
    await stage.require_truth()


@pytest.mark.slow
@pytest.mark.parametrize("how", ["item_limit_exceeded", "destination_denied"])
async def test_payout_that_the_signer_refuses_after_a_restore_is_in_no_others_way_and_lapses_in_the_end(
    stage: Treasury, backups: Backups, tmp_path: Path, how: str
) -> None:
    lost = await refused(stage, backups, tmp_path, how)
    other = await stage.approved("3.00", payee(2))
    await stage.run(rounds=2)
    assert await stage.status(other) == "paid"
    given = await stage.rows("SELECT count(*) FROM slots")
    await stage.run(rounds=2)
    assert await stage.rows("SELECT count(*) FROM slots") == given, "it takes no nonce at each turn"
    assert (await stage.read(lost.payout))["waits_for"] == "restore_unsettled"

    await past_every_deadline(stage)
    await stage.run(rounds=2)
    shown = await stage.read(lost.payout)
    assert (shown["status"], shown["lapse_reason"], await held(stage)) == (
        "requires_action", "signer_refused", 0
    )  # fmt: skip
    await let_pay(stage, how, allowed=True)
    await stage.approve(shown)
    await stage.run(rounds=2)
    assert await stage.transfers_out() == [(payee(2), 3_000_000), (payee(1), FIVE)]
    await stage.require_truth()
