"""Yesterday's dump is put back, by pg_restore: what was paid since is found, and paid no second time."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.domain.errors import Conflict
from bascule.services.restore import RestoreUnchecked
from tests.scenarios.test_lane_lost import checked
from tests.scenarios.test_money_out_restore import closed, recovered, retire_at_vault
from tests.support.backups import Backups
from tests.support.money_out import Treasury, payee

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("signer_too", [True, False])
async def test_everything_that_was_paid_since_yesterdays_dump_is_what_the_chain_says_and_stays_paid_once(
    stage: Treasury, backups: Backups, tmp_path: Path, *, signer_too: bool
) -> None:
    """signer_too: its memory is from the dump as well; else the bridge alone is, and the signer is newer."""
    before, asked = await stage.approved("4.00", payee(1)), await stage.request("6.00", payee(2))
    await stage.run()
    waiting = await stage.approved("5.00", payee(3))
    yesterday = await backups.dump(stage, tmp_path / "yesterday")
    await stage.approve(asked)
    await stage.approved("8.00", payee(4), idempotency_key="order-4711")
    await stage.run(rounds=2)
    moved = await stage.transfers_out()
    assert len(moved) == 4
    newest = await backups.dump(stage, tmp_path / "newest", "-n", "signer")
    signed = await stage.rows("SELECT nonce FROM signer.slots ORDER BY nonce")

    await backups.restore(stage, yesterday, signer=None if signer_too else newest)
    assert (await stage.rows("SELECT nonce FROM signer.slots ORDER BY nonce") == signed) is not signer_too
    assert [await stage.status(each) for each in (before, asked, waiting)] == [
        "paid", "requires_action", "pending",
    ]  # fmt: skip
    with pytest.raises(RestoreUnchecked, match="put back from a dump"):
        await stage.follow()
    await checked(stage)
    await closed(stage, "the chain counts" if signer_too else "the signer has s")
    await retire_at_vault(stage, 0)
    [(taken_over, retired)] = await recovered(stage)
    assert (taken_over > 0, retired) == (True, True)

    assert [await stage.status(each) for each in (before, asked, waiting)] == ["paid"] * 3
    with pytest.raises(Conflict) as again:
        await stage.request("8.00", payee(4), idempotency_key="order-4711")
    assert again.value.code == "payout_recovered"
    lane = await stage.open_lane(1, 5)
    fresh = await stage.approved("9.00", payee(5))
    await stage.run(await stage.submitter(lane=lane))

    assert await stage.status(fresh) == "paid"
    assert await stage.transfers_out() == [*moved, (payee(5), 9_000_000)]
    assert len(await stage.rows("SELECT 1 FROM breaks WHERE type = 'payout_of_lost_request'")) == 1
