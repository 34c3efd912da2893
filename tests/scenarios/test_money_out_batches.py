"""Payouts that people approved together, each by one signature, through real signer, chain and books."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.money_out import LIMIT, OpenAs, Treasury, treasury
from tests.support.payout_batches import batch_of


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def test_one_batch_is_spread_over_lanes_and_vault_batches_and_paid_once_each(stage: Treasury) -> None:
    ids = await batch_of(stage, [1_000_000 + n for n in range(7)])
    alone = await stage.approved("4.00")
    lanes = [await stage.submitter(max_items=3)]
    lanes.append(await stage.submitter(lane=await stage.open_lane(1, 5), holder="other", max_items=3))

    for _ in range(2):
        await asyncio.gather(*(each.run_once() for each in lanes))
        await stage.follow(3)
        await asyncio.gather(*(each.run_once() for each in lanes))
        await stage.follow(3)
        await asyncio.gather(*(each.run_once() for each in lanes))

    assert {await stage.status({"id": id}) for id in [*ids, alone["id"]]} == {"paid"}
    used = await stage.rows("SELECT lane, count(*) FROM slots WHERE kind = 'pay' GROUP BY lane ORDER BY lane")
    assert [lane for lane, _ in used] == [0, 1]
    assert len(await stage.transfers_out()) == 8
    assert await stage.rows("SELECT count(*) FROM signer.refusals") == [(0,)]
    await stage.require_truth()


async def test_payout_named_by_the_signer_leaves_the_rest_of_its_batch_alone(stage: Treasury) -> None:
    ids = await batch_of(stage, [LIMIT + 1, 2_000_000])  # the first is beyond the signer's hard limit

    await stage.run(rounds=3)

    assert [await stage.status({"id": id}) for id in ids] == ["requires_action", "paid"]
    await stage.require_truth()


async def test_batch_with_one_signature_too_few_pays_nothing(stage: Treasury) -> None:
    ids = await batch_of(stage, [1_000_000, 2_000_000], by=(1,))

    await stage.run(rounds=2)

    assert {await stage.status({"id": id}) for id in ids} == {"requires_action"}
    assert await stage.transfers_out() == []
    await stage.require_truth()
