"""A restore forgets approvals: what their payout took may be held for others when its batch runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scenarios.test_lane_lost import check, checked
from tests.scenarios.test_lost_bytes import Lost, closed, past_every_deadline
from tests.support.backups import Backups
from tests.support.crashing import Crash, Crashing
from tests.support.money_out import FLOAT, Treasury, payee
from tests.support.money_out_setup import set_policy


@pytest.mark.slow
async def test_batch_of_before_whose_money_others_hold_since_is_taken_over_once_they_are_called_off(
    stage: Treasury, backups: Backups, tmp_path: Path
) -> None:
    async with stage.owner.transaction() as conn:
        await set_policy(conn, stage.operator, stage.token, max_per_payout=FLOAT, max_per_day=5 * FLOAT)
    payout = await stage.request("5.00", payee(1))
    yesterday = await backups.dump(stage, tmp_path / "yesterday")
    await stage.approve(payout)
    with pytest.raises(Crash):
        await (await stage.submitter(failpoints=Crashing("submitter.after_save"))).run_once()
    [(raw,)] = await stage.rows("SELECT raw FROM attempts")
    await backups.restore(stage, yesterday)
    await checked(stage)
    other = await stage.approved(f"{FLOAT // 10**6 - 1}.00", payee(2))
    await Lost(payout, "0x" + bytes(raw).hex()).run(stage)

    said = (await check(stage))["31337/vault-0"]
    assert (said["state"], said["batches"]) == ("closed", 0)
    assert f"payout {payout['id']}, and its account {stage.operator} has less available" in said["next"]
    assert "call off what it asked for since the restore" in said["next"]
    await closed(stage, "vault-0", "of which 0 are known")
    await past_every_deadline(stage)
    await stage.cancel(other)

    assert (await check(stage))["31337/vault-0"]["batches"] == 1
    assert [await stage.status(each) for each in (payout, other)] == ["paid", "canceled"]
    assert await stage.transfers_out() == [(payee(1), 5_000_000)]
    await stage.require_truth()
