"""The head of sealed history is written on chain by the clock: once each, whatever dies or is orphaned."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bascule.domain import anchor
from bascule.domain.anchor import Anchored
from bascule.storage import seals
from tests.support.anchors import Notary
from tests.support.cases import long_after
from tests.support.crashing import Crash, Crashing
from tests.support.money_out import OpenAs, payee, treasury


@pytest.fixture
async def notary(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Notary]:
    async with treasury(db_as, tmp_path) as stage:
        yield await Notary(stage, await db_as("worker")).open()


async def newest(notary: Notary) -> Anchored:
    async with notary.worker.read() as conn:
        kept = await seals.newest(conn)
    assert kept is not None
    return Anchored(kept.seal.number, kept.seal.hash)


async def written(notary: Notary) -> list[Anchored | None]:
    return [anchor.read(data) for data in await notary.on_chain()]


OUTCOMES = "SELECT outcome FROM anchors ORDER BY seal"


async def test_head_is_anchored_when_it_moved_and_its_own_cost_moves_nothing(notary: Notary) -> None:
    assert await notary.ask() == 1
    first = await newest(notary)
    assert await notary.ask() == 0, "one request is open"
    await notary.send()
    assert await notary.ask() == 0, "nothing happened since but the anchor's own fee"
    assert (await newest(notary)).seal > first.seal, "which is sealed"

    await notary.happens("more")
    assert await notary.ask() == 1
    second = await newest(notary)
    await notary.send()

    assert await written(notary) == [first, second]
    assert await notary.stage.rows(OUTCOMES) == [("done",), ("done",)]
    booked = await notary.stage.rows("SELECT count(*) FROM ledger.tx WHERE kind = 'gas'")
    assert booked == [(2,)], "each fee is booked like any"


@pytest.mark.parametrize("name", long_after(1, ["anchor.after_reserve", "submitter.after_final_commit"]))
async def test_lane_that_dies_anchors_the_head_once_after_it_returns(notary: Notary, name: str) -> None:
    with pytest.raises(Crash):
        await notary.ask(Crashing("anchor_planner.after_request"))
    with pytest.raises(Crash):
        await notary.send(Crashing(name))
    await notary.stage.follow(3)

    assert await notary.ask() == 0
    for _ in range(2):
        await notary.send()

    [(seal, head)] = await notary.stage.rows("SELECT seal, head FROM anchors")
    assert await written(notary) == [Anchored(seal, head)]
    assert await notary.stage.rows(OUTCOMES) == [("done",)]


async def test_orphaned_anchor_comes_again_and_no_head_is_skipped(notary: Notary) -> None:
    await notary.ask()
    head = await newest(notary)
    lane = await notary.stage.submitter(holder="a", lane="anchor")
    await lane.run_once()
    await notary.stage.follow(1)
    await lane.run_once()
    [(sent,)] = await notary.stage.rows(
        "SELECT '0x' || encode(tx_hash, 'hex') FROM attempts WHERE state = 'mined'"
    )
    await notary.stage.node.dev.reorg(1, drop=[sent])
    await notary.happens("meanwhile")
    assert await notary.ask() == 0, "the request is still open"
    await notary.stage.follow()
    await lane.run_once()
    assert await written(notary) == []

    await notary.send()

    assert await written(notary) == [head]
    assert await notary.ask() == 1, "what happened meanwhile is the next"


async def test_anchor_without_coin_says_so_and_payouts_go_on(notary: Notary) -> None:
    stage = notary.stage
    await notary.spend_all()
    payout = await stage.approved("5.00", payee(1))
    await notary.ask()

    await notary.send()
    await stage.run()

    assert await stage.status(payout) == "paid"
    assert await stage.rows("SELECT stuck FROM slots WHERE kind = 'service'") == [("wallet_unfunded",)]
    short = await stage.rows(
        "SELECT w.name FROM wallet_gas AS g JOIN wallets AS w ON w.address = g.wallet"
        " WHERE g.balance < g.full_cost"
    )
    assert short == [("anchor",)]
