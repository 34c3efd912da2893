"""Lanes opened after a backup that hold a signed batch which no block has: it must never pay again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from bascule.chain.families import ETHEREUM
from bascule.chain.rpc import Rpc
from bascule.chain.vault import LANE_SET
from bascule.domain.errors import Retryable
from bascule.domain.vault import LONGEST_BATCH_LIFE
from bascule.entrypoints.restoring import LaneCheck
from bascule.entrypoints.wiring import load
from bascule.services.lane_opening import LaneClosed
from bascule.services.lane_recovery import LaneRecovery
from bascule.services.restore import Restore
from tests.support.backups import Backups
from tests.support.chain import calldata
from tests.support.crashing import Crash, Crashing
from tests.support.money_out import Treasury, payee
from tests.support.nodes import Refuse, lying_node, no_guard

MAY_RUN = "number 1, is in no row and may have signed a batch before the restore"


async def check(stage: Treasury, url: str | None = None) -> dict[str, dict[str, Any]]:
    """What `bascule restore check` says of each lane, without the guardian's key. url: another node."""
    chain_id = stage.network.chain_id
    settings = load({"BASCULE_CHAINS": f"{chain_id}={stage.node.url}"})
    rpc = Rpc(url or stage.node.url, session=stage.session, guard=no_guard, family=ETHEREUM)
    work = LaneRecovery(stage.owner, stage.use_cases.outbox)
    return {
        each["lane"]: each
        for each in await LaneCheck(settings, stage.owner, {chain_id: rpc}, work, False, False).run(())
    }


async def checked(stage: Treasury) -> None:
    """The operator ran `restore check --restored`, at the time the chain has."""
    work = Restore(stage.owner, bytes(32))
    await work.finish(await work.begin(0, 0))
    await stage.rows_change(
        "UPDATE address_epochs SET checked_at = %s WHERE checked_at > began_at", stage.clock.now()
    )
    await stage.follow(3)


async def closed(stage: Treasury, why: str) -> None:
    """Whoever works the lane that the backup knows finds it closed, and gives no nonce away."""
    before = await stage.rows("SELECT count(*) FROM slots")
    for _ in range(2):
        with pytest.raises(LaneClosed, match=why):
            await stage.run()
    assert await stage.rows("SELECT count(*) FROM slots") == before


@dataclass
class Lost:
    """A payout that waits in the backup, and signed bytes of a lane it does not know, which pay it."""

    payout: dict[str, Any]
    raw: str


async def lose(stage: Treasury, backups: Backups) -> Lost:
    """Lane 1 opens after the backup and signs; its submitter dies with the bytes; the backup is put back."""
    payout = await stage.approved("5.00", payee(1))
    copy = await backups.take(stage)
    lane = await stage.open_lane(1, 5)
    with pytest.raises(Crash):
        await (await stage.submitter(lane=lane, failpoints=Crashing("submitter.after_save"))).run_once()
    [(raw,)] = await stage.rows("SELECT raw FROM attempts")
    await backups.put_back(stage, copy)
    await stage.follow(3)
    assert await stage.status(payout) == "pending"
    await checked(stage)
    return Lost(payout, "0x" + bytes(raw).hex())


@pytest.mark.slow
async def test_batch_of_a_lost_lane_that_runs_after_the_restore_is_not_paid_a_second_time(
    stage: Treasury, backups: Backups
) -> None:
    lost = await lose(stage, backups)
    await closed(stage, MAY_RUN)

    await stage.node.rpc("eth_sendRawTransaction", lost.raw)  # somebody had the bytes
    await stage.follow(3)
    assert len(await stage.transfers_out()) == 1
    await closed(stage, "number 1, is in no row and has paid")
    told = await check(stage)

    assert (told["31337/vault-1"]["state"], told["31337/vault-1"]["batches"]) == ("closed", 1)
    assert await stage.status(lost.payout) == "paid"
    await closed(stage, "vault-1, is behind")
    await retire(stage)
    assert (await check(stage))["31337/vault-1"]["state"] == "retired"
    await pays_on(stage)


@pytest.mark.slow
async def test_lost_lane_that_paid_is_taken_over_where_no_node_keeps_the_events_that_opened_it(
    stage: Treasury, backups: Backups
) -> None:
    def forgets(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getLogs" and params[0]["topics"] == ["0x" + LANE_SET.hex()]:
            raise Refuse("block range is too wide", -32005)
        return result

    lost = await lose(stage, backups)
    await stage.node.rpc("eth_sendRawTransaction", lost.raw)
    await stage.follow(3)
    async with lying_node(stage.node.url) as node:
        node.twist = forgets
        told = await check(stage, node.url)

    assert (told["31337/vault-1"]["state"], told["31337/vault-1"]["batches"]) == ("closed", 1)
    [unknown] = [each for each in told.values() if each["state"] == "unknown"]
    assert "no node shows all events" in unknown["next"]
    assert await stage.status(lost.payout) == "paid"
    await stage.require_truth()


@pytest.mark.slow
async def test_vault_of_a_lost_lane_pays_on_once_what_it_signed_is_past_every_deadline(
    stage: Treasury, backups: Backups
) -> None:
    """By a final block's time: nobody has to act."""
    lost = await lose(stage, backups)
    told = (await check(stage))["31337/vault-1"]
    assert (told["state"], told["batches"]) == ("closed", None)
    assert "sends PayoutVault.retireLane(1)" in told["next"]
    assert "or wait until" in told["next"]
    known = (await check(stage))["31337/vault-0"]
    assert (known["state"], MAY_RUN in known["next"]) == ("closed", True)
    await closed(stage, MAY_RUN)
    stage.clock.advance(LONGEST_BATCH_LIFE + timedelta(seconds=1))
    await stage.node.dev.mine(1)
    await closed(stage, MAY_RUN)  # no final block is of then yet

    await stage.follow(3)
    assert "31337/vault-1" not in await check(stage)
    await stage.node.rpc("eth_sendRawTransaction", lost.raw)
    await stage.follow(3)
    assert await stage.transfers_out() == [], "it reverted"
    await stage.run()
    assert await stage.status(lost.payout) == "paid"
    await pays_on(stage)


@pytest.mark.slow
async def test_vault_of_a_lost_lane_pays_on_at_once_when_the_guardian_retires_it(
    stage: Treasury, backups: Backups
) -> None:
    lost = await lose(stage, backups)
    await closed(stage, MAY_RUN)
    data = calldata("retireLane(uint32)", [1])
    await stage.node.transact(stage.node.accounts[3], to=stage.vault, data=data)
    await stage.follow()
    await closed(stage, MAY_RUN)  # not final yet
    assert "retired in the newest block" in (await check(stage))["31337/vault-1"]["next"]

    await stage.follow(3)
    assert "31337/vault-1" not in await check(stage)
    await stage.run()
    assert await stage.status(lost.payout) == "paid"
    await stage.node.rpc("eth_sendRawTransaction", lost.raw)
    await pays_on(stage)


async def test_number_given_away_keeps_no_lane_closed_until_a_restore_shows(stage: Treasury) -> None:
    """Owners give numbers away long before `bascule lanes open`; no event is asked for then.

    Afterwards one node that answers is enough, while no answer is none.
    """
    await stage.vault_owner("setLane(uint32,address)", 1, stage.node.accounts[5].address)
    asked: list[str] = []

    def keep(method: str, params: list[Any], result: Any) -> Any:
        if method == "eth_getLogs" and params[0]["topics"] == ["0x" + LANE_SET.hex()]:
            asked.append(params[0]["fromBlock"])
            raise Refuse("query returned more than 10000 results", -32005)
        return result

    async with lying_node(stage.node.url) as node:
        node.twist = keep
        before = await stage.submitter(url=node.url)
        await before.run_once()
        assert asked == []
        await before.release()
        await stage.rows_change("UPDATE address_epochs SET identity = '7/00000001'")
        after = await stage.submitter(url=node.url, holder="after")
        with pytest.raises(Retryable, match="no node shows all events"):
            await after.run_once()
        assert asked == ["0x0"]
        after = await stage.submitter(url=[node.url, stage.node.url], holder="after")
        with pytest.raises(LaneClosed, match=f"{MAY_RUN}, which may run until an hour after a restore check"):
            await after.run_once()
    await Restore(stage.owner, b"").nothing_lost()  # a failover
    await after.run_once()


async def retire(stage: Treasury) -> None:
    """The vault's guardian ends the lost lane, finally."""
    receipt = await stage.node.transact(
        stage.node.accounts[3], to=stage.vault, data=calldata("retireLane(uint32)", [1])
    )
    assert receipt["status"] == "0x1"
    await stage.follow(3)


async def pays_on(stage: Treasury) -> None:
    """The lane that the backup knows pays what comes, and nothing was paid twice."""
    before = len(await stage.transfers_out())
    fresh = await stage.approved("9.00", payee(5))
    await stage.run()
    assert await stage.status(fresh) == "paid"
    assert len(await stage.transfers_out()) == before + 1
    await stage.require_truth()
