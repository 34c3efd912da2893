"""Money out after a backup was put back: a lane opens only while chain and signer know nothing more."""

from __future__ import annotations

import pytest

from bascule.chain.families import ETHEREUM
from bascule.chain.rpc import Rpc
from bascule.domain.errors import Conflict, Halted
from bascule.entrypoints.explaining import explain
from bascule.entrypoints.readiness import readiness
from bascule.services.lane_opening import LaneClosed
from bascule.services.lane_recovery import LaneRecovery
from bascule.services.reconciler import Reconciler
from bascule.services.seams import SystemEntropy
from bascule.services.unpaid_prover import UnpaidProver
from tests.support.backups import Backups
from tests.support.chain import calldata
from tests.support.money_out import Treasury, payee
from tests.support.nodes import lying_node, no_guard


async def closed(stage: Treasury, why: str) -> None:
    """A submitter that starts now finds the lane closed, and nothing is taken or sent."""
    before = await stage.rows("SELECT (SELECT count(*) FROM slots), (SELECT count(*) FROM attempts)")
    moved = await stage.transfers_out()
    for holder in ("submitter-1", "submitter-2"):
        submitter = await stage.submitter(holder=holder)
        for _ in range(2):
            with pytest.raises(LaneClosed, match=why):
                await submitter.run_once()
        await submitter.release()
    await stage.follow(3)
    after = await stage.rows("SELECT (SELECT count(*) FROM slots), (SELECT count(*) FROM attempts)")
    assert (after, await stage.transfers_out()) == (before, moved)


@pytest.mark.wrong("G7")
async def test_nothing_is_paid_from_an_older_backup_whose_signer_forgot_as_well(
    stage: Treasury, backups: Backups
) -> None:
    waiting = await stage.approved("5.00", payee(1))
    copy = await backups.take(stage)
    await stage.run()
    assert await stage.status(waiting) == "paid"

    await backups.put_back(stage, copy)
    assert await stage.status(waiting) == "pending"
    await closed(stage, "the chain counts 1 transactions of the wallet, of which 0 are known")

    assert len(await stage.transfers_out()) == 1
    async with stage.owner.read() as conn:
        _, ready = await readiness(stage.owner, stage.clock, 60.0)
        explained = await explain(conn, waiting["id"])
    assert list(ready["closed_lanes"]) == ["31337/vault-0"]
    assert explained is not None
    assert "bascule restore check" in explained["next"]


@pytest.mark.wrong("G7")
async def test_a_lane_whose_nonce_fits_by_chance_stays_closed_by_its_head(
    stage: Treasury, backups: Backups
) -> None:
    copy = await backups.take(stage)
    payout = await stage.approved()
    await stage.run()
    assert await stage.status(payout) == "paid"
    await backups.put_back(stage, copy)
    await stage.rows_change("UPDATE wallets SET next_nonce = 1")

    await closed(stage, "no batch known here leads")


async def test_nothing_is_signed_by_a_signer_whose_memory_is_from_yesterday(stage: Treasury) -> None:
    await stage.approved()
    await stage.run()
    await stage.rows_change(
        "SET LOCAL session_replication_role = replica; TRUNCATE signer.items, signer.slots CASCADE;"
        " UPDATE signer.wallets SET highest_nonce = -1, epoch = 0"
    )
    await stage.approved()

    await closed(stage, "the signer's memory ends at nonce -1, bytes of 0 are kept here")


@pytest.mark.slow
@pytest.mark.parametrize("left", [1, 0])
async def test_signer_put_back_under_a_submitter_that_runs_on_signs_nothing(
    stage: Treasury, left: int
) -> None:
    """The lane is open and stays with its lease: nobody compares the two again."""
    submitter = await stage.submitter()
    for _ in range(2):
        await stage.approved()
        await stage.run(submitter)
    await stage.rows_change(
        f"SET LOCAL session_replication_role = replica; DELETE FROM signer.signatures WHERE nonce >= {left};"
        f" DELETE FROM signer.slots WHERE nonce >= {left};"
        f" UPDATE signer.wallets SET highest_nonce = {left - 1}"
    )
    await stage.approved()
    moved = await stage.transfers_out()

    for _ in range(2):
        with pytest.raises(Halted, match="nonce_skipped"):
            await stage.run(submitter)
    assert await stage.transfers_out() == moved
    assert await stage.rows("SELECT count(*) FROM signer.slots") == [(left,)]
    assert await stage.rows("SELECT code FROM signer_alarms") == [("nonce_skipped",)]
    await stage.rows_change("UPDATE signer.wallets SET highest_nonce = 1")  # the copy that was running
    await stage.run(submitter)
    assert len(await stage.transfers_out()) == len(moved) + 1


async def test_a_signer_that_remembers_more_than_the_bridge_keeps_the_lane_closed(stage: Treasury) -> None:
    await stage.rows_change("UPDATE signer.wallets SET highest_nonce = 4")

    await closed(stage, "the signer has signed nonce 4")


async def test_one_node_that_contradicts_the_rows_is_named_and_the_lane_opens_without_it(
    stage: Treasury,
) -> None:
    payout = await stage.approved()
    async with lying_node(stage.node.url) as liar:
        liar.twist = lambda method, params, result: "0x5" if method == "eth_getTransactionCount" else result
        submitter = await stage.submitter(url=[liar.url, stage.node.url])
        with pytest.raises(LaneClosed, match="counts 5 transactions"):
            await submitter.run_once()
        assert await stage.rows("SELECT count(*) FROM slots") == [(0,)]
        liar.twist = lambda method, params, result: result
        await stage.run(submitter)

    assert await stage.status(payout) == "paid"
    assert await stage.rows("SELECT closed_reason FROM wallets WHERE closed_reason IS NOT NULL") == []
    await stage.require_truth()


async def recovered(stage: Treasury) -> list[tuple[int, bool]]:
    """What the check does to each lane: how many batches were taken over, and whether it is retired."""
    rpc = Rpc(stage.node.url, session=stage.session, guard=no_guard, family=ETHEREUM)
    work = LaneRecovery(stage.owner, stage.use_cases.outbox)
    return [(await work.take_over(rpc, lane, 0), await work.retire(rpc, lane)) for lane in await work.every()]


async def retire_at_vault(stage: Treasury, lane: int) -> None:
    """The vault's guardian ends the lane, finally."""
    data = calldata("retireLane(uint32)", [lane])
    receipt = await stage.node.transact(stage.node.accounts[3], to=stage.vault, data=data)
    assert receipt["status"] == "0x1"
    await stage.follow(3)


async def test_after_a_restore_each_payout_is_what_the_chain_says_and_a_repeated_request_pays_nothing(
    stage: Treasury, backups: Backups
) -> None:
    approved = await stage.approved("5.00", payee(1))
    asked = await stage.request("6.00", payee(2))
    refused = await stage.approved("7.00", payee(3))
    copy = await backups.take(stage)
    await stage.issuer("blacklist(address)", payee(3))
    await stage.approve(asked)
    forgotten = await stage.approved("8.00", payee(4), idempotency_key="order-4711")
    await stage.run(rounds=2)
    moved = await stage.transfers_out()
    assert len(moved) == 3

    await backups.put_back(stage, copy)
    await stage.follow(1)
    await closed(stage, "the chain counts")
    assert (await recovered(stage))[0][1] is False  # the guardian has not retired the lane yet
    await retire_at_vault(stage, 0)
    assert await recovered(stage) == [(0, True)]
    assert await recovered(stage) == []

    assert [await stage.status(each) for each in (approved, asked, refused)] == ["paid", "paid", "failed"]
    with pytest.raises(Conflict, match=r"was paid in transaction 0x[0-9a-f]{64}") as again:
        await stage.request("8.00", payee(4), idempotency_key="order-4711")
    assert again.value.code == "payout_recovered"
    assert await stage.rows("SELECT id FROM payouts WHERE id = %s", forgotten["id"]) == []
    [(lost, evidence)] = await stage.rows(
        "SELECT id, evidence FROM breaks WHERE type = 'payout_of_lost_request'"
    )
    assert (evidence["to"], evidence["amount_atomic"]) == (payee(4), "8000000")
    async with stage.owner.read() as conn:
        told = await explain(conn, lost)
    assert told is not None
    assert "payout_recovered" in told["next"]

    lane = await stage.open_lane(1, 5)
    fresh = await stage.approved("9.00", payee(5))
    await stage.run(await stage.submitter(lane=lane))
    assert await stage.status(fresh) == "paid"
    assert await stage.transfers_out() == [*moved, (payee(5), 9_000_000)]
    assert await residuals(stage) == [0]
    assert await stage.rows("SELECT 1 FROM ledger.tx WHERE kind = 'outflow'") == [], "batches are no outflows"
    assert {row[0] for row in await stage.rows("SELECT action FROM audit_log")} >= {
        "restore.batch",
        "lane.retire",
    }


async def test_no_lane_pays_again_what_another_lane_of_its_vault_paid_after_the_backup(
    stage: Treasury, backups: Backups
) -> None:
    second = await stage.open_lane(1, 5)
    copy = await backups.take(stage)
    await stage.approved("8.00", payee(4), idempotency_key="order-4711")
    await stage.run(rounds=2)
    moved = await stage.transfers_out()

    await backups.put_back(stage, copy)
    await stage.follow(1)
    again = await stage.approved("8.00", payee(4), idempotency_key="order-4711")
    submitter = await stage.submitter(holder="b", lane=second)
    for _ in range(2):
        with pytest.raises(
            LaneClosed, match="another lane of its vault, vault-0, is behind: the chain counts 1"
        ):
            await submitter.run_once()
    await retire_at_vault(stage, 0)
    assert await recovered(stage) == [(1, True), (0, False)]

    await stage.approved("9.00", payee(5))
    await stage.run(submitter)
    assert await stage.status(again) == "paid"
    assert await stage.transfers_out() == [*moved, (payee(5), 9_000_000)]
    await stage.require_truth()


@pytest.mark.slow
async def test_request_that_came_again_with_other_words_before_the_vault_was_read_is_called_off(
    stage: Treasury, backups: Backups
) -> None:
    """What the chain paid under its identity is not what it asks for: booked as neither, and never paid."""
    copy = await backups.take(stage)
    await stage.approved("8.00", payee(4), idempotency_key="order-4711")
    await stage.approved("7.00", payee(5), idempotency_key="order-4712")
    await stage.run(rounds=2)
    moved = await stage.transfers_out()

    await backups.put_back(stage, copy)
    await stage.follow(1)
    raised = await stage.approved("9.00", payee(4), idempotency_key="order-4711")
    elsewhere = await stage.request("7.00", payee(6), idempotency_key="order-4712")
    await retire_at_vault(stage, 0)
    assert await recovered(stage) == [(1, True)]

    assert [await stage.status(each) for each in (raised, elsewhere)] == ["canceled", "canceled"]
    lost = await stage.rows("SELECT evidence ->> 'to' FROM breaks WHERE type = 'payout_of_lost_request'")
    assert sorted(to for (to,) in lost) == sorted([payee(4), payee(5)])
    await stage.run(await stage.submitter(lane=await stage.open_lane(1, 5)))
    assert await stage.transfers_out() == moved
    assert await stage.rows("SELECT sum(held_debit)::int FROM ledger.balances") == [(0,)]


async def residuals(stage: Treasury) -> list[int]:
    """What the books cannot explain of the chain, by token."""
    rpc = Rpc(stage.node.url, session=stage.session, guard=no_guard, family=ETHEREUM)
    chain = {stage.network.chain_id: rpc}
    found = await Reconciler(
        stage.owner, stage.clock, SystemEntropy(), stage.use_cases.outbox, chain
    ).reconcile()
    return [compared.residual for _, compared in found]


async def test_a_payout_whose_id_can_never_be_used_again_is_canceled_with_its_lane(
    stage: Treasury, backups: Backups
) -> None:
    waiting = await stage.approved("5.00", payee(1))
    await (await stage.submitter()).run_once()
    assert await stage.status(waiting) == "in_transit"
    await stage.node.rpc("bascule_dropTransaction", (await stage.read(waiting))["transactions"][0]["hash"])
    assert await recovered(stage) == [(0, False)]

    await retire_at_vault(stage, 0)
    assert await recovered(stage) == [(0, True)]

    assert await stage.status(waiting) == "canceled"
    rpc = Rpc(stage.node.url, session=stage.session, guard=no_guard, family=ETHEREUM)
    await UnpaidProver(await backups.open("worker"), stage.clock, {stage.network.chain_id: rpc}).run_once()
    assert (await stage.read(waiting))["evidence"]["ground"] == "lane_retired"
    assert await stage.rows("SELECT state FROM slots") == [("final",)]
    assert await stage.transfers_out() == []
    await stage.require_truth()
