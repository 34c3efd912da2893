"""`bascule lanes open`: a vault pays through one more wallet, which its owner has made an operator before."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bascule.domain.errors import Rejected
from bascule.entrypoints.cli.app import run
from bascule.entrypoints.laning import split
from tests.support.money_out import OpenAs, Treasury, treasury


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        monkeypatch.setenv("BASCULE_DATABASE_URL", built.owner.url)
        monkeypatch.setenv("BASCULE_CHAINS", f"{built.network.chain_id}={built.node.url}")
        yield built


async def test_opened_lane_pays_beside_the_first_and_opening_it_again_is_harmless(
    stage: Treasury, capsys: pytest.CaptureFixture[str]
) -> None:
    operator = stage.node.accounts[5].address
    words = ["lanes", "open", "--chain", "local", "--number", "1", "--wallet", operator, "--json"]

    assert await asyncio.to_thread(run, words) != 0
    assert f"let the vault's owner call setLane(1, {operator})" in capsys.readouterr().err
    assert await stage.rows("SELECT count(*) FROM lanes") == [(1,)]

    await stage.vault_owner("setLane(uint32,address)", 1, operator)
    for _ in range(2):
        assert await asyncio.to_thread(run, words) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["lane"], told["wallet"]) == (f"{stage.network.chain_id}/vault-1", operator)

    await stage.follow(3)
    payout = await stage.approved()
    await stage.run(await stage.submitter(lane="vault-1", holder="other"))
    assert await stage.status(payout) == "paid"
    await stage.require_truth()


@pytest.mark.parametrize(("number", "account", "said"), [(0, 5, "belongs to"), (1, 1, "another task")])
async def test_lane_of_another_wallet_and_a_wallet_with_another_task_are_refused(
    stage: Treasury, capsys: pytest.CaptureFixture[str], number: int, account: int, said: str
) -> None:
    operator = stage.node.accounts[account].address
    await stage.vault_owner("setLane(uint32,address)", 1, operator)
    words = ["lanes", "open", "--chain", "local", "--number", str(number), "--wallet", operator]

    assert await asyncio.to_thread(run, words) != 0

    assert said in capsys.readouterr().err
    assert await stage.rows("SELECT count(*) FROM lanes") == [(1,)]


@pytest.mark.parametrize(
    ("lanes", "said"),
    [(["base"], "base is not a lane"), (["base/sweeper", "arbitrum/sweeper"], "not lanes of one chain")],
)
def test_submitter_works_lanes_of_one_chain_and_each_once(lanes: list[str], said: str) -> None:
    assert split(["base/sweeper", "base/canceller", "base/sweeper"]) == ("base", ["sweeper", "canceller"])
    with pytest.raises(Rejected, match=said):
        split(lanes)
