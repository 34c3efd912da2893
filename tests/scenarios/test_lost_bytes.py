"""Bridge and signer put back from one backup: a lane that rows know may hold a batch that they lack."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bascule.domain.errors import Conflict
from bascule.domain.vault import LONGEST_BATCH_LIFE
from bascule.entrypoints.explaining import explain
from bascule.services.lane_opening import LaneClosed
from tests.scenarios.test_lane_lost import check, checked
from tests.scenarios.test_money_out_restore import retire_at_vault
from tests.support.backups import Backups
from tests.support.crashing import Crash, Crashing
from tests.support.money_out import Treasury, payee
from tests.support.vault_migration import move_to_another_vault

MAY_RUN = "may have signed a batch before the restore that no row has"


@dataclass
class Lost:
    """A payout that waits in the backup, and bytes of a known lane that pay it: no row or node has them."""

    payout: dict[str, Any]
    raw: str

    async def run(self, stage: Treasury) -> None:
        """Somebody had the bytes: they are in a block, finally."""
        await stage.node.rpc("eth_sendRawTransaction", self.raw)
        await stage.follow(3)


async def lose(stage: Treasury, backups: Backups, folder: Path) -> Lost:
    """Lane 0 signs after yesterday's dump, and its submitter dies; the dump is put back, and checked."""
    payout = await stage.approved("5.00", payee(1))
    yesterday = await backups.dump(stage, folder / "yesterday")
    with pytest.raises(Crash):
        await (await stage.submitter(failpoints=Crashing("submitter.after_save"))).run_once()
    [(raw,)] = await stage.rows("SELECT raw FROM attempts")
    await backups.restore(stage, yesterday)
    assert await stage.status(payout) == "pending"
    await checked(stage)
    return Lost(payout, "0x" + bytes(raw).hex())


async def closed(stage: Treasury, lane: str, why: str) -> None:
    """Whoever works the lane finds it closed, and gives no nonce away."""
    before = await stage.rows("SELECT count(*) FROM slots")
    submitter = await stage.submitter(lane=lane, holder=lane)
    for _ in range(2):
        with pytest.raises(LaneClosed, match=why):
            await submitter.run_once()
    await submitter.release()
    assert await stage.rows("SELECT count(*) FROM slots") == before


async def past_every_deadline(stage: Treasury) -> None:
    stage.clock.advance(LONGEST_BATCH_LIFE + timedelta(seconds=1))
    await stage.follow(4)


@pytest.mark.slow
async def test_no_lane_pays_what_another_known_lane_signed_before_the_restore(
    stage: Treasury, backups: Backups, tmp_path: Path
) -> None:
    second = await stage.open_lane(1, 5)
    lost = await lose(stage, backups, tmp_path)

    await closed(stage, second, f"another lane of its vault, number 0, {MAY_RUN}")
    await closed(stage, "vault-0", f"number 1, {MAY_RUN}")
    said = (await check(stage))["31337/vault-1"]
    assert (said["state"], MAY_RUN in said["next"]) == ("closed", True)
    await lost.run(stage)

    await closed(stage, second, "vault-0, is behind")
    assert (await check(stage))["31337/vault-0"]["batches"] == 1
    assert await stage.status(lost.payout) == "paid"
    assert await stage.transfers_out() == [(payee(1), 5_000_000)]
    await stage.require_truth()


@pytest.mark.slow
@pytest.mark.parametrize("retired", [True, False])
async def test_lanes_of_a_restored_vault_pay_on_once_nothing_signed_before_can_run(
    stage: Treasury, backups: Backups, tmp_path: Path, *, retired: bool
) -> None:
    """retired: the guardian ends one of the two lanes at once; else nobody acts, and deadlines pass."""
    second = await stage.open_lane(1, 5)
    lost = await lose(stage, backups, tmp_path)
    await closed(stage, second, MAY_RUN)

    await (retire_at_vault(stage, 0) if retired else past_every_deadline(stage))
    await stage.run(await stage.submitter(lane=second, holder="after"))

    assert await stage.status(lost.payout) == "paid"
    await lost.run(stage)
    assert await stage.transfers_out() == [(payee(1), 5_000_000)], "the old bytes reverted"


@pytest.mark.slow
async def test_only_lane_of_a_restored_vault_pays_at_once_as_one_nonce_takes_one_of_two_batches(
    stage: Treasury, backups: Backups, tmp_path: Path
) -> None:
    lost = await lose(stage, backups, tmp_path)
    await stage.run()

    assert await stage.status(lost.payout) == "paid"
    with pytest.raises(Exception, match="nonce"):
        await lost.run(stage)
    await stage.require_truth()


@pytest.mark.slow
async def test_lane_that_was_given_away_after_the_check_keeps_none_closed(
    stage: Treasury, backups: Backups, tmp_path: Path
) -> None:
    lost = await lose(stage, backups, tmp_path)
    await retire_at_vault(stage, 0)
    await stage.rows_change("UPDATE lanes SET state = 'retired'")
    lanes = [await stage.open_lane(1, 5), await stage.open_lane(2, 6)]

    for lane in lanes:
        await stage.run(await stage.submitter(lane=lane, holder=lane))
    assert await stage.status(lost.payout) == "paid"
    assert await stage.transfers_out() == [(payee(1), 5_000_000)]


@pytest.mark.slow
async def test_payout_moves_to_no_other_vault_and_cannot_be_called_off_while_bytes_of_before_may_pay_it(
    stage: Treasury, backups: Backups, tmp_path: Path
) -> None:
    lost = await lose(stage, backups, tmp_path)
    old, asked = stage.vault, await stage.request("6.00", payee(2))
    next_lane = await stage.submitter(lane=await move_to_another_vault(stage), holder="next")
    lane = await stage.submitter(holder="b")
    await lane.run_once()
    shown = await stage.read(lost.payout)
    assert (shown["status"], shown["vault"], shown["waits_for"]) == ("pending", old, "restore_unsettled")
    async with stage.owner.read() as conn:
        told = await explain(conn, lost.payout["id"])
    assert told is not None
    assert "bytes signed before a restore may still pay it: an operator runs" in told["next"]
    with pytest.raises(LaneClosed, match=MAY_RUN):
        await next_lane.run_once()
    for call_off in (stage.cancel(lost.payout), stage.cancel(asked), stage.reject(asked)):
        with pytest.raises(Conflict, match="may still pay this") as refused:
            await call_off
        assert refused.value.code == "restore_unsettled"
    await lost.run(stage)
    assert (await check(stage))["31337/vault-0"]["batches"] == 1

    assert await stage.status(lost.payout) == "paid"
    assert await stage.transfers_out() == [(payee(1), 5_000_000)]
    await stage.require_truth()


@pytest.mark.slow
async def test_payout_moves_to_the_other_vault_once_nothing_signed_before_the_restore_can_run(
    stage: Treasury, backups: Backups, tmp_path: Path
) -> None:
    lost = await lose(stage, backups, tmp_path)
    next_lane = await stage.submitter(lane=await move_to_another_vault(stage), holder="next")
    lane = await stage.submitter(holder="b")
    await lane.run_once()
    assert (await stage.read(lost.payout))["waits_for"] == "restore_unsettled"
    await past_every_deadline(stage)

    await lane.run_once()
    shown = await stage.read(lost.payout)
    assert (shown["status"], shown["vault"]) == ("requires_action", stage.vault)
    assert (shown["lapse_reason"], shown["waits_for"]) == ("vault_migrated", None)
    await stage.approve(shown)
    await stage.run(next_lane)
    await lost.run(stage)

    assert await stage.status(lost.payout) == "paid"
    assert await stage.transfers_out() == [(payee(1), 5_000_000)], "the old bytes reverted"


@pytest.mark.slow
async def test_request_that_the_backup_lacks_is_not_paid_by_a_new_vault_while_bytes_of_before_may_pay_it(
    stage: Treasury, backups: Backups, tmp_path: Path
) -> None:
    rent = {"amount": "5.00", "to": payee(1), "client_reference_id": "rent-1"}
    yesterday = await backups.dump(stage, tmp_path / "yesterday")
    await stage.approved(**rent)
    with pytest.raises(Crash):
        await (await stage.submitter(failpoints=Crashing("submitter.after_save"))).run_once()
    [(raw,)] = await stage.rows("SELECT raw FROM attempts")
    await backups.restore(stage, yesterday)
    await checked(stage)
    lane = await move_to_another_vault(stage)
    again = await stage.approved(**rent)

    await closed(stage, lane, f"number 0, {MAY_RUN}")
    said = (await check(stage))["31337/vault-1"]
    assert (said["state"], MAY_RUN in said["next"]) == ("closed", True)
    await Lost(again, "0x" + bytes(raw).hex()).run(stage)
    stage.clock.advance(LONGEST_BATCH_LIFE + timedelta(seconds=1))
    await stage.follow(4)
    await closed(stage, lane, "vault-0, is behind")
    assert (await check(stage))["31337/vault-0"]["batches"] == 1
    assert await stage.status(again) == "paid"
    assert await stage.transfers_out() == [(payee(1), 5_000_000)]
    await stage.require_truth()


async def revert_and_lose(stage: Treasury, backups: Backups, folder: Path, *, asked: bool) -> Lost:
    """Yesterday's dump has the payout on its way; its batch reverts, the next one is signed and forgotten.

    asked: whether somebody called it off before the dump.
    """
    payout = await stage.approved("5.00", payee(1))
    await stage.open_canceller()
    lane = await stage.submitter(bump_after=timedelta(days=1))
    await lane.run_once()
    if asked:
        await stage.cancel(payout)
    yesterday = await backups.dump(stage, folder / "yesterday")
    await stage.rows_change("DELETE FROM payout_cancels")  # in the life that is lost nobody asks
    stage.clock.advance(timedelta(minutes=31))  # past the batch's deadline
    await stage.follow(3)
    with pytest.raises(Crash):
        await (await stage.submitter(failpoints=Crashing("submitter.after_save"))).run_once()
    [(raw,)] = await stage.rows("SELECT raw FROM attempts ORDER BY nonce DESC LIMIT 1")
    await backups.restore(stage, yesterday)
    await checked(stage)
    if not asked:
        await stage.cancel(payout)
    return Lost(payout, "0x" + bytes(raw).hex())


@pytest.mark.slow
@pytest.mark.parametrize("asked_before", [True, False])
@pytest.mark.parametrize("first", ["cancel", "batch"])
async def test_payout_called_off_on_its_way_ends_by_the_vaults_word_alone_while_bytes_of_before_may_pay_it(
    stage: Treasury, backups: Backups, tmp_path: Path, *, asked_before: bool, first: str
) -> None:
    lost = await revert_and_lose(stage, backups, tmp_path, asked=asked_before)
    await stage.run()
    shown = await stage.read(lost.payout)
    assert (shown["status"], shown["cancellation"]["status"]) == ("in_transit", "open")
    async with stage.owner.read() as conn:
        told = await explain(conn, lost.payout["id"])
    assert told is not None
    assert "called off: its batch or the canceller's call" in told["next"]

    canceller = await stage.submitter(holder="c", lane="canceller")
    if first == "cancel":
        await stage.run(canceller)
        await lost.run(stage)
    else:
        await lost.run(stage)
        await stage.run(canceller)
    assert (await check(stage))["31337/vault-0"]["batches"] == 1

    shown, paid = await stage.read(lost.payout), [] if first == "cancel" else [(payee(1), 5_000_000)]
    assert await stage.transfers_out() == paid
    end = ("paid", "too_late") if paid else ("canceled", "canceled")
    assert (shown["status"], shown["cancellation"]["status"], shown["stuck"]) == (*end, False)
    await stage.require_truth()
