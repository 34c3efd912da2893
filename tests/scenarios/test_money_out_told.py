"""Money out, told: each payout says what becomes of its transactions, and how they stood before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.money_out import OpenAs, Treasury, treasury


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


async def told_of(stage: Treasury, payout: dict[str, Any]) -> list[tuple[str, int, Any, Any]]:
    """The events of a payout: type, version, the payout as told, what of it stood otherwise before."""
    found = await stage.rows(
        "SELECT type, object_version, object, previous FROM outbox WHERE object_id = %s ORDER BY id",
        payout["id"],
    )
    return [(row[0].removeprefix("payout."), *row[1:]) for row in found]


async def test_bytes_that_are_not_mined_are_bumped_in_their_slot(stage: Treasury) -> None:
    submitter = await stage.submitter()
    payout, beside = await stage.approved(), await stage.approved()
    await submitter.run_once()
    stage.clock.advance(timedelta(seconds=61))

    await submitter.run_once()

    for each in (payout, beside):
        [(event, version, told, before)] = (await told_of(stage, each))[4:]
        assert (event, version) == ("replaced", (await stage.read(each))["version"])
        assert [t["status"] for t in told["transactions"]] == ["signed", "offered"]  # told before it is sent
        assert before == {"transactions": told["transactions"][1:]}
    first, second = reversed((await stage.read(payout))["transactions"])
    assert [t["hash"] for t in told["transactions"]] == [second["hash"], first["hash"]]
    assert first["nonce"] == second["nonce"] == 0
    for field in ("max_fee_per_gas", "max_priority_fee_per_gas"):
        assert int(second["fees"][field]) * 1000 >= int(first["fees"][field]) * 1125
    await stage.follow(3)
    await submitter.run_once()
    paid = await stage.read(payout)
    assert paid["status"] == "paid"
    assert sorted(t["status"] for t in paid["transactions"]) == ["final", "superseded"]
    [_, (*_, mined), (event, _, told, _)] = (await told_of(stage, payout))[4:]
    assert sorted(t["status"] for t in mined["transactions"]) == ["offered", "offered"]
    assert (event, told["transactions"], told["fee_details"]) == (
        "paid",
        paid["transactions"],
        paid["fee_details"],
    )
    assert len(await stage.transfers_out()) == 2
    await stage.require_truth()


@pytest.mark.parametrize("depth", [1, 2])
async def test_reorg_may_swap_which_bytes_are_mined_and_pays_once(stage: Treasury, depth: int) -> None:
    payout = await stage.approved()
    submitter = await stage.submitter()
    await submitter.run_once()
    await stage.follow(1)
    await submitter.run_once()
    [cheap] = (await stage.read(payout))["transactions"]
    assert cheap["status"] == "mined"
    await stage.node.dev.reorg(depth, drop=[cheap["hash"]])
    await stage.follow()
    await submitter.run_once()
    stage.clock.advance(timedelta(seconds=61))
    await submitter.run_once()  # the bump; both are offered, the dearer is mined
    await stage.follow(1)
    await submitter.run_once()
    swapped, first = (await stage.read(payout))["transactions"]
    assert (first["hash"], first["status"]) == (cheap["hash"], "offered")
    assert (swapped["hash"] != cheap["hash"], swapped["status"]) == (True, "mined")

    await stage.follow(3)
    await submitter.run_once()
    paid = await stage.read(payout)
    assert (paid["status"], len(await stage.transfers_out())) == ("paid", 1)
    await stage.require_truth()
    assert [(t["hash"], t["status"]) for t in paid["transactions"]] == [
        (swapped["hash"], "final"),
        (cheap["hash"], "superseded"),
    ]
    told = (await told_of(stage, payout))[4:]
    assert [each[0] for each in told] == ["updated", "updated", "replaced", "updated", "paid"]
    versions = [version for _, version, _, _ in told]
    assert versions == sorted(set(versions))
    standing = [("offered", "mined"), ("mined", "offered")]  # in a block, and out of it again
    for (_, _, now, before), (was, is_now) in zip(told, standing, strict=False):
        assert [(t["hash"], t["status"]) for t in before["transactions"]] == [(cheap["hash"], was)]
        assert [(t["hash"], t["status"]) for t in now["transactions"]] == [(cheap["hash"], is_now)]
        assert (len(before["fee_details"]), len(now["fee_details"])) == (was == "mined", is_now == "mined")
