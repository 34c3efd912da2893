"""Payouts of a chain that goes on with another vault: who has no id yet is approved anew, the others stay."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from bascule.chain.evidence_check import check
from bascule.domain import payout_file, seal
from bascule.domain.chain import caip2, parse_address
from bascule.domain.errors import Conflict, Rejected
from bascule.entrypoints.explaining import explain
from bascule.services.payout_batches import BatchRequest
from bascule.services.payout_evidence import evidence_of
from bascule.services.payout_rounds import PayoutRounds
from bascule.services.payouts import own
from bascule.services.sealer import Sealer, export
from bascule.storage import addresses, networks
from tests.scenarios.test_lane_forgotten import check as lanes_after
from tests.scenarios.test_mandates import LANDLORD, active
from tests.scenarios.test_payout_files import approve, read, send, use_cases
from tests.support.backups import Backups
from tests.support.crashing import Crash, Crashing
from tests.support.money_out import OpenAs, Treasury, approver, payee, sign_typed
from tests.support.vault_migration import move_to_another_vault


async def place(stage: Treasury, payout: dict[str, Any]) -> tuple[str, str, str | None]:
    """Where a payout stands: its state, its vault, why it is asked about anew."""
    shown = await stage.read(payout)
    return shown["status"], shown["vault"], shown["lapse_reason"]


async def test_what_waited_at_the_vault_that_was_left_is_paid_by_the_new_one_once_people_sign_for_it(
    stage: Treasury, db_as: OpenAs
) -> None:
    sent, old = await stage.approved("1.00"), stage.vault
    lane = await stage.submitter()
    await lane.run_once()
    approved, half = await stage.approved("2.00"), await stage.approve(await stage.request("3.00"), 1)
    stale = sign_typed(approver(3), half["next_action"]["typed_data"])
    sealer = Sealer(await db_as("worker"), stage.clock)
    assert await sealer.run_once() > 0

    next_lane = await stage.submitter(lane=await move_to_another_vault(stage))
    with pytest.raises(Conflict) as refused:
        await stage.approve(half, 2)
    assert refused.value.code == "vault_migrated"
    await next_lane.run_once()
    assert await place(stage, approved) == ("pending", old, None), "the lane that paid from there knows best"
    await lane.run_once()

    assert await place(stage, sent) == ("paid", old, None), "it was mined meanwhile, and is of there for ever"
    for waiting in (approved, half):
        assert await place(stage, waiting) == ("requires_action", stage.vault, "vault_migrated")
        assert (await stage.read(waiting))["approvals"] == []
    assert (await stage.events(approved))[-1] == "requires_action"
    await stage.require_truth()
    with pytest.raises(Rejected) as stale_one:
        await stage.approve(half, 3, signature=stale)
    assert stale_one.value.code == "signature_mismatch"
    async with stage.owner.read() as conn:
        explained = await explain(conn, half["id"])
        proven = seal.check(json.loads(json.dumps([line async for line in export(conn)])), None)
    assert explained is not None
    assert "another vault" in explained["asked_anew"]
    assert (proven.seals, proven.wrong) == (1, None), "what was asked for is sealed as it was"

    for waiting in (approved, half):
        await stage.approve(waiting)
    await stage.follow(3)
    for _ in range(2):
        await lane.run_once()
        await stage.run(next_lane)

    assert [await place(stage, each) for each in (sent, approved, half)] == [
        ("paid", old, None), ("paid", stage.vault, None), ("paid", stage.vault, None),
    ]  # fmt: skip
    assert len(await stage.transfers_out()) == 3
    assert await stage.rows("SELECT count(*) FROM signer.refusals") == [(0,)]
    await stage.require_truth()


async def test_payout_whose_batch_reverted_keeps_its_approvals_and_the_vault_of_its_id(
    stage: Treasury,
) -> None:
    payout, old = await stage.approved("5.00"), stage.vault
    lane = await stage.submitter(bump_after=timedelta(days=1))
    await lane.run_once()
    stage.clock.advance(timedelta(minutes=31))  # past the batch's deadline
    await stage.follow(3)
    await move_to_another_vault(stage)
    await stage.run(lane)

    shown = await stage.read(payout)
    assert (shown["vault"], shown["lapse_reason"]) == (old, None)
    assert shown["vault_id"] is not None
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="stays with its vault"):
        await stage.rows_change("UPDATE payouts SET vault = '\\x0000000000000000000000000000000000000001'")
    await stage.run(lane)
    assert await stage.status(payout) == "paid"
    assert await stage.rows("SELECT count(*) FROM payout_approvals") == [(2,)], "given once"
    await stage.require_truth()


async def test_file_of_which_a_part_is_out_asks_for_one_signature_each_for_the_rest(stage: Treasury) -> None:
    batch, old = await send(stage, *((f"{n}.00", payee(n)) for n in range(1, 4))), stage.vault
    await approve(stage, batch, 1, 2)
    lane = await stage.submitter(max_items=1)
    await lane.run_once()
    next_lane = await stage.submitter(lane=await move_to_another_vault(stage), max_items=1)
    await lane.run_once()

    asked = await read(stage, batch)
    assert (asked["status"], asked["progress"]["requires_action"], asked["approvals"]) == (
        "processing",
        2,
        [],
    )
    assert asked["next_action"]["typed_data"]["domain"]["verifyingContract"] == stage.vault
    await approve(stage, batch, 2, 3)
    await stage.follow(3)
    await lane.run_once()
    await stage.run(next_lane, rounds=3)

    ended = await read(stage, batch)
    assert (ended["status"], ended["progress"]["paid"]) == ("completed", 3)
    assert sorted(await stage.transfers_out()) == sorted((payee(n), n * 10**6) for n in range(1, 4))
    of_vaults = set()
    for (payout_id,) in await stage.rows("SELECT id FROM payouts"):
        of_vaults.add((await stage.read({"id": payout_id}))["vault"])
        async with stage.api.read() as conn:
            proof = await evidence_of(conn, await own(conn, payout_id, stage.operator, False))
        assert [each.says for each in check(json.dumps(proof).encode()) if not each.ok] == []
        assert len(proof["decision"]["approvals"]) == 2
    assert of_vaults == {old, stage.vault}
    await stage.require_truth()


async def test_file_that_mandates_carried_asks_for_one_signature_each_once_its_vault_is_left(
    stage: Treasury,
) -> None:
    """Mandates name the vault, as approvals do; nobody has signed for a line of it before."""
    mandate = await active(stage)
    lines = "".join(
        f"{caip2(stage.network.chain_id)},usdt,{n}.00,{LANDLORD},{mandate['id']}\n" for n in (1, 2, 3)
    )
    text = f"network,currency,amount,to,mandate\n{lines}"
    request = BatchRequest(payout_file.read(text), "all_or_nothing", "rents", "key_test")
    async with stage.api.transaction() as conn:
        batch = await use_cases(stage).request(
            conn, account_id=stage.operator, livemode=False, request=request
        )
    lane = await stage.submitter(max_items=1)
    await lane.run_once()
    next_lane = await stage.submitter(lane=await move_to_another_vault(stage))
    await lane.run_once()

    assert (await read(stage, batch))["progress"]["requires_action"] == 2
    await approve(stage, batch, 1, 2)
    await stage.follow(3)
    await lane.run_once()
    await stage.run(next_lane)

    assert (await read(stage, batch))["progress"]["paid"] == 3
    assert len(await stage.transfers_out()) == 3
    await stage.require_truth()


async def test_payout_of_a_file_that_has_an_id_keeps_the_signatures_of_its_file_though_the_rest_moves(
    stage: Treasury,
) -> None:
    batch, old = await send(stage, *((f"{n}.00", payee(n)) for n in range(1, 3))), stage.vault
    await approve(stage, batch, 1, 2)
    lane = await stage.submitter(max_items=1, bump_after=timedelta(days=1))
    await lane.run_once()
    stage.clock.advance(timedelta(minutes=31))  # past the batch's deadline
    await stage.follow(3)
    await move_to_another_vault(stage)
    await stage.run(lane)

    asked = await read(stage, batch)
    assert (asked["progress"]["paid"], asked["progress"]["requires_action"]) == (1, 1)
    places = {await place(stage, {"id": id}) for (id,) in await stage.rows("SELECT id FROM payouts")}
    assert places == {("paid", old, None), ("requires_action", stage.vault, "vault_migrated")}
    assert await stage.rows("SELECT count(*) FROM signer_alarms") == [(0,)]
    await stage.require_truth()


@pytest.mark.slow
async def test_payouts_of_a_file_that_were_approved_in_two_rounds_go_out_of_one_vault_together(
    stage: Treasury,
) -> None:
    """The chain went to another vault and back: either round's signatures approve all of the file there."""
    batch, first = await send(stage, *((f"{n}.00", payee(n)) for n in range(1, 3))), stage.network
    await approve(stage, batch, 1, 2)
    released = Crashing("submitter.after_final_commit")
    lane = await stage.submitter(max_items=1, bump_after=timedelta(days=1), failpoints=released)
    await lane.run_once()
    stage.clock.advance(timedelta(minutes=31))  # past the batch's deadline
    await stage.follow(3)
    with pytest.raises(Crash):
        await lane.run_once()
    [(moves,)] = await stage.rows("SELECT id FROM payouts WHERE vault_id IS NULL")
    rounds = PayoutRounds(stage.clock, stage.use_cases.outbox)
    await move_to_another_vault(stage)
    for network in (stage.network, first):
        async with stage.owner.transaction() as conn:
            await networks.publish(conn, network)
            assert await rounds.settle(conn, moves)
    stage.network, stage.vault, stage.left = first, stage.left[0], [stage.vault]
    await approve(stage, batch, 2, 3)
    assert await stage.rows("SELECT state FROM payouts") == [("pending",)] * 2

    await stage.run(await stage.submitter(), rounds=3)

    assert (await read(stage, batch))["progress"]["paid"] == 2
    assert await stage.rows("SELECT count(*) FROM signer_alarms") == [(0,)]
    assert await stage.rows("SELECT count(*) FROM slots") == [(2,)]
    await stage.require_truth()


async def test_payouts_of_a_vault_whose_lanes_are_all_retired_are_asked_about_by_the_next_ones_lane(
    stage: Treasury,
) -> None:
    payout = await stage.approved("5.00")
    await stage.rows_change("UPDATE lanes SET state = 'retired'")
    lane = await stage.submitter(lane=await move_to_another_vault(stage))

    await lane.run_once()

    assert await place(stage, payout) == ("requires_action", stage.vault, "vault_migrated")
    await stage.approve(payout)
    await stage.run(lane)
    assert await stage.status(payout) == "paid"
    await stage.require_truth()


@pytest.mark.slow
@pytest.mark.parametrize("asked_first", [True, False])
async def test_what_the_new_vault_paid_after_the_backup_is_found_though_the_backup_has_it_at_the_old_one(
    stage: Treasury, backups: Backups, *, asked_first: bool
) -> None:
    """The signer forgot it as well. asked_first: the old vault's lane does so before the new one is read."""
    payout = await stage.approved("5.00")
    copy = await backups.take(stage)
    next_lane = await stage.submitter(lane=await move_to_another_vault(stage))
    await (await stage.submitter()).run_once()
    await stage.approve(payout)
    await stage.run(next_lane)
    moved = await stage.transfers_out()
    assert (await stage.status(payout), len(moved)) == ("paid", 1)

    await backups.put_back(stage, copy)
    async with stage.owner.transaction() as conn:  # the configuration names the new vault
        await networks.publish(conn, stage.network)
        await addresses.add_own(conn, stage.network.chain_id, parse_address(stage.vault), "vault")
    await stage.follow(3)
    lane = await stage.submitter(holder="b")
    if asked_first:
        await lane.run_once()
        assert (await place(stage, payout))[0] == "requires_action"
    assert (await lanes_after(stage))["31337/vault-1"] == ("closed", 1)

    assert await place(stage, payout) == ("paid", stage.vault, None)
    await stage.run(lane, rounds=2)
    assert await stage.transfers_out() == moved
    await stage.require_truth()
