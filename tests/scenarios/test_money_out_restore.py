"""Money out after a backup was put back: a lane opens only while chain and signer know nothing more."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bascule.entrypoints.explaining import explain
from bascule.entrypoints.readiness import readiness
from bascule.services.lane_opening import LaneClosed
from tests.support.backups import Backups
from tests.support.money_out import Treasury, payee, treasury
from tests.support.nodes import lying_node
from tests.support.postgres import TestServer


@pytest.fixture
async def backups(postgres_server: TestServer, database_name: str) -> AsyncIterator[Backups]:
    made = Backups(postgres_server, database_name)
    yield made
    await made.close()


@pytest.fixture
async def stage(backups: Backups, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(backups.open, tmp_path) as built:
        yield built


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
