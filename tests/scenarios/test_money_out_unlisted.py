"""Money out on a chain that nobody listed, whose headers prove nothing: what nodes agree on has happened."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bascule.chain.rpc import Rpc
from bascule.domain.errors import NotFound, Retryable
from bascule.services.payout_evidence import evidence_of
from bascule.storage import payouts
from tests.support.money_out import OpenAs, Treasury, payee, treasury
from tests.support.nodes import lying_node


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


def otherwise(method: str, params: list[Any], result: Any) -> Any:
    """Receipts as no listed family spells them: no root comes out."""
    if method != "eth_getBlockReceipts":
        return result
    return [{**each, "cumulativeGasUsed": hex(int(each["cumulativeGasUsed"], 16) + 1)} for each in result]


async def test_a_payout_there_is_paid_as_nodes_agree_once_the_watcher_learned_it(stage: Treasury) -> None:
    """The submitter starts before that, asks nodes of its own, and is never told but by the database."""
    async with lying_node(stage.node.url) as node:
        node.twist = otherwise
        await stage.watcher.release()
        stage.restart_watcher(stage.watcher._db, node.url)
        submitter = await stage.submitter(url=node.url)
        for rpc in (stage.watcher._rpc, submitter._rpc):
            assert isinstance(rpc, Rpc)
            rpc.family = None
        payout = await stage.approved("5.00", payee(1))
        await submitter.run_once()
        await stage.node.dev.mine(3)
        with pytest.raises(Retryable):
            await submitter.run_once()
        for _ in range(3):
            try:
                await stage.follow()
                break
            except Retryable:
                continue
        assert await stage.rows("SELECT unproven FROM networks") == [("receipts",)]
        await stage.run(submitter)

    assert await stage.status(payout) == "paid"
    assert (await stage.read(payout))["transactions"][0]["status"] == "final"
    async with stage.api.read() as conn:
        row = await payouts.get(conn, payout["id"])
        assert row is not None
        with pytest.raises(NotFound, match="as a quorum of nodes tells"):
            await evidence_of(conn, row)
    await stage.require_truth()
