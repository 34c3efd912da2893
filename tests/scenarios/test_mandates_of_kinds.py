"""Mandates for what comes about by itself, and for files: refunds, settlements, lines that name theirs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bascule.domain import payout_file
from bascule.domain.acts_next import SUBMITTER
from bascule.domain.chain import caip2
from bascule.domain.errors import Rejected
from bascule.domain.mandate import CLAIMANT
from bascule.services.payout_batches import BatchRequest
from bascule.services.payout_request import PayoutRequest
from bascule.services.policies import Policies
from tests.scenarios import test_payout_files as files
from tests.scenarios.test_mandates import LANDLORD, active, propose, rent, use_cases
from tests.support.money_out import OpenAs, Treasury, payee, treasury


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def simulated(stage: Treasury, amount: str, to: str, **asked: Any) -> dict[str, Any]:
    request = PayoutRequest(amount, "usdt", caip2(stage.network.chain_id), to, **asked)
    async with stage.api.read() as conn:
        return await Policies(stage.clock, stage.use_cases.entropy).simulate(
            conn, account_id=stage.operator, livemode=False, request=request, maker=None
        )


async def send_file(stage: Treasury, key: str, *lines: tuple[str, str, dict[str, Any]]) -> dict[str, Any]:
    network = caip2(stage.network.chain_id)
    rows = "".join(f"{network},usdt,{amount},{to},{mandate['id']}\n" for amount, to, mandate in lines)
    request = BatchRequest(
        payout_file.read("network,currency,amount,to,mandate\n" + rows), "all_or_nothing", key, "key_test"
    )
    async with stage.api.transaction() as conn:
        return await files.use_cases(stage).request(
            conn, account_id=stage.operator, livemode=False, request=request
        )


async def test_refunds_and_settlements_go_out_under_mandates_of_their_kind_and_payouts_do_not(
    stage: Treasury,
) -> None:
    """A claimed refund names no mandate: the one of its kind carries it, within its caps."""
    refunds = await active(stage, kind="refund", to=CLAIMANT, max_per_item="30.00", max_per_day="40.00")
    settlements = await active(stage, kind="settlement")
    said = [await simulated(stage, amount, payee(7), kind="refund") for amount in ("30.00", "30.000001")]
    assert [(each["mandate"], each["policy_decision"]["rule"], len(each["approvers"])) for each in said] == [
        (refunds["id"], "mandate", 0), (None, "within_limits", 3),
    ]  # fmt: skip
    told = await simulated(stage, "101.00", LANDLORD, mandate=settlements["id"], kind="settlement")
    assert (told["mandate"], len(told["approvers"])) == (None, 3)
    assert "cap of one payout" in told["policy_decision"]["reasons"][-1]

    claimed = await stage.request("30.00", payee(7), kind="refund")
    settled = await stage.request("100.00", LANDLORD, kind="settlement")
    beyond = await stage.request("10.000001", payee(7), kind="refund")
    plain = await stage.request("1.00", LANDLORD)
    assert [(each["status"], each["mandate"]) for each in (claimed, settled, beyond, plain)] == [
        ("pending", refunds["id"]), ("pending", settlements["id"]), ("requires_action", None),
        ("requires_action", None),
    ]  # fmt: skip
    with pytest.raises(Rejected) as refused:
        await rent(stage, refunds, "1.00")
    assert (refused.value.code, refused.value.param) == ("not_in_mandate", "mandate")
    with pytest.raises(Rejected) as refused:
        await propose(stage, kind="settlement", to=CLAIMANT)
    assert (refused.value.code, refused.value.param) == ("mandate_invalid", "to")
    await stage.run()

    assert sorted(await stage.transfers_out()) == sorted([(payee(7), 30e6), (LANDLORD, 100e6)])
    await stage.require_truth()


async def test_file_whose_lines_all_name_mandates_is_paid_without_a_person(stage: Treasury) -> None:
    """Lines under one mandate share its day; where one line is not carried, people sign for all of them."""
    rents, bills = await active(stage), await active(stage, to=payee(2))
    lines = [("100.00", LANDLORD, rents), ("50.00", LANDLORD, rents), ("9.00", payee(2), bills)]
    over = [("99.00", LANDLORD, rents), ("51.00", LANDLORD, rents), ("0.000001", LANDLORD, rents)]
    too_much = await send_file(stage, "over", *over)
    assert (too_much["status"], too_much["progress"]["requires_action"]) == ("requires_action", 3)
    assert too_much["policy_decision"]["rule"] == "mandate"
    assert "Line 4" in too_much["policy_decision"]["reasons"][1]
    assert too_much["next_action"]["approvals_missing"] == 2
    async with stage.api.transaction() as conn:
        await files.use_cases(stage).cancel(
            conn, account_id=stage.operator, livemode=False, batch_id=too_much["id"]
        )
    with pytest.raises(Rejected) as refused:
        await send_file(stage, "wrong", ("1.00", payee(3), rents))
    assert refused.value.code == "batch_invalid"
    assert "not_in_mandate" in refused.value.message
    batch = await send_file(stage, "fits", *lines)

    assert (batch["status"], batch["progress"]["pending"], batch["next_action"]) == ("processing", 3, None)
    assert batch["policy_decision"] == {
        "rule": "mandate", "reasons": ["Each line's mandate carries it."], "acts_next": SUBMITTER.shown(),
    }  # fmt: skip
    await stage.run()
    assert (await files.read(stage, batch))["status"] == "completed"
    assert sorted(amount for _, amount in await stage.transfers_out()) == [9e6, 50e6, 100e6]
    await stage.require_truth()


async def test_file_whose_mandate_ended_is_renewed_by_one_signature_of_each(stage: Treasury) -> None:
    rents = await active(stage)
    batch = await send_file(stage, "file", ("40.00", LANDLORD, rents), ("50.00", LANDLORD, rents))
    async with stage.api.transaction() as conn:
        await use_cases(stage).revoke(
            conn, account_id=stage.operator, livemode=False, mandate_id=rents["id"], actor="key_test"
        )
    lane = await stage.submitter()
    await lane.run_once()
    waiting = await files.read(stage, batch)
    assert (waiting["status"], waiting["progress"]["requires_action"]) == ("processing", 2)

    await files.approve(stage, batch, 1, 2)
    await stage.run(lane)

    assert (await files.read(stage, batch))["status"] == "completed"
    assert sorted(await stage.transfers_out()) == [(LANDLORD, 40e6), (LANDLORD, 50e6)]
    await stage.require_truth()
