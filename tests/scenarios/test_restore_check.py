"""`bascule restore check` on lanes: an operator runs it until it names nobody who has to act."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bascule.domain.chain import parse_address
from bascule.entrypoints import anchoring
from bascule.entrypoints.cli.app import run
from bascule.services.lane_opening import LaneClosed
from tests.support.anchors import Notary
from tests.support.backups import Backups
from tests.support.money_out import Treasury

Told = Callable[..., Awaitable[list[dict[str, Any]]]]


@pytest.fixture
def told(
    stage: Treasury,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    database_url: Callable[..., str],
) -> Told:
    """`bascule restore check` as the owner, with an account of the chain as its key: the lines it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BASCULE_CONFIG", raising=False)
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url())
    monkeypatch.setenv("BASCULE_CHAINS", f"{stage.network.chain_id}={stage.node.url}")
    monkeypatch.setenv("BASCULE_DEPOSIT_SEED", "00" * 32)
    monkeypatch.setenv("BASCULE_RESTORE_GAP", "3")

    async def check(*options: str, key_of: int | None = None) -> list[dict[str, Any]]:
        if key_of is not None:
            monkeypatch.setenv("BASCULE_DEPLOYER_KEY", stage.node.accounts[key_of].private_key)
        capsys.readouterr()
        running = asyncio.create_task(asyncio.to_thread(run, ["restore", "check", "--json", *options]))
        while not running.done():
            await asyncio.sleep(0.05)
            await stage.node.dev.mine()
        assert await running == 0
        said = capsys.readouterr().out
        await stage.follow(3)
        return [json.loads(line) for line in said.splitlines()]

    return check


async def test_the_command_says_of_each_lane_what_was_taken_over_and_who_acts_next(
    stage: Treasury,
    backups: Backups,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After a restore it is run until nothing is left: lanes compared, taken over, ended, replaced."""
    copy = await backups.take(stage)
    payout = await stage.approved()
    await stage.run()
    await backups.put_back(stage, copy)
    await stage.follow(3)
    counts = "SELECT (SELECT count(*) FROM audit_log), (SELECT count(*) FROM breaks)"
    before = await stage.rows(counts)

    epoch, lane = await told("--restored", "--dry-run")
    assert (epoch["next"], lane["state"]) == ("epoch 1 would begin; run it without --dry-run", "closed")
    assert (lane["batches"], await stage.rows(counts)) == (1, before)
    epoch, lane = await told("--restored")
    assert (epoch["epoch"], lane["lane"], lane["state"], lane["batches"]) == (1, "31337/vault-0", "closed", 1)
    assert f"guardian {stage.node.accounts[3].address} sends PayoutVault.retireLane(0)" in lane["next"]
    monkeypatch.setenv("BASCULE_DEPOSIT_EPOCH", "1")
    steps = [await told("--send", key_of=account) for account in (0, 3)]
    assert "is not the guardian" in steps[0][1]["next"]
    assert "once that is final" in steps[1][1]["next"]
    _, lane = await told()
    assert lane["state"] == "retired"
    assert "restore check --open" in lane["next"]
    fresh = stage.node.accounts[5].address
    assert await asyncio.to_thread(run, ["restore", "check", "--open", f"31337/1={fresh}"]) == 1
    assert "is operated by nobody" in capsys.readouterr().err
    _, opened = await told("--open", f"31337/1={fresh}", "--send", key_of=0)
    assert (opened["lane"], opened["wallet"]) == ("31337/vault-1", fresh)
    assert opened["next"] == "bascule submitter --lane 31337/vault-1"
    epoch, lane = await told()
    assert (epoch["next"], lane["state"]) == ("nothing shows that this database was restored", "open")
    assert await stage.rows("SELECT id FROM payouts WHERE id = %s", payout["id"]) == []
    assert len(await stage.transfers_out()) == 1


async def test_service_wallet_that_sent_what_a_backup_forgot_is_replaced_by_another(
    stage: Treasury, backups: Backups, told: Told
) -> None:
    """The anchor's: what it sent pays nobody, so nothing is taken over; its nonces are ours no more."""
    notary = await Notary(stage, await backups.open("worker")).open()
    copy = await backups.take(stage)
    notary.worker = await backups.open("worker")
    await notary.ask()
    await notary.send()
    assert len(await notary.on_chain()) == 1

    await backups.put_back(stage, copy)
    notary.worker = await backups.open("worker")
    await stage.follow(1)
    await notary.happens("more")
    assert await notary.ask() == 1
    submitter = await stage.submitter(holder="a", lane="anchor")
    with pytest.raises(LaneClosed, match="1 transactions of the wallet, of which 0 are known"):
        await submitter.run_once()
    assert "--end 31337/anchor" in [each["next"] for each in await told()][-1]
    assert [each["state"] for each in (await told("--end", "31337/anchor"))[1:]] == ["open", "retired"]
    assert await submitter.run_once() == 0

    another = parse_address(stage.node.accounts[6].address)
    async with stage.owner.transaction() as conn:
        limits = anchoring.hard_limits(1_000 * 10**9)
        await anchoring.register(conn, stage.network.chain_id, another, limits=limits, next_nonce=0)
    await stage.follow(3)
    await stage.run(submitter)
    assert await stage.rows("SELECT outcome FROM anchors") == [("done",)]
    assert await stage.rows("SELECT wallet, nonce FROM attempts") == [(another, 0)]
    assert len(await notary.on_chain()) == 1, "the old wallet sends nothing more"
