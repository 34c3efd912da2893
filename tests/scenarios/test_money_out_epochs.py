"""Stories of submitters whose lease went to another: they learn it, and change nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.money_out import OpenAs, Treasury, treasury


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def test_stale_submitter_is_fenced_out_by_its_epoch(stage: Treasury) -> None:
    stale, fresh = await stage.submitter(holder="stale"), await stage.submitter(holder="fresh")
    payout = await stage.approved()
    await stale.run_once()
    await stage.rows_change("UPDATE leases SET expires_at = now() WHERE holder = 'stale'")
    await stage.follow(3)

    await fresh.run_once()

    assert await stale.run_once() == 0
    assert await stage.status(payout) == "paid"
    await stage.require_truth()


async def test_turns_side_by_side_both_learn_that_their_lease_went_to_another(stage: Treasury) -> None:
    stale, fresh = await stage.submitter(holder="stale"), await stage.submitter(holder="fresh")
    await stale.run_once()
    await stage.rows_change("UPDATE leases SET expires_at = now() WHERE holder = 'stale'")
    payout = await stage.approved()
    await fresh.run_once()

    assert await asyncio.gather(*(stale.run_once() for _ in range(30))) == [0] * 30

    await stage.follow(3)
    await fresh.run_once()
    assert await stage.status(payout) == "paid"
