"""Money out with an operator's hands: bytes offered once more, a payout called off, by command."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from bascule.entrypoints.cli.app import run
from tests.support.money_out import OpenAs, Treasury, treasury

Command = Callable[..., Awaitable[tuple[int, Any]]]


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        yield built


@pytest.fixture
def command(
    stage: Treasury,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    database_url: Callable[..., str],
) -> Command:
    """Runs a command line as the owner; returns its exit code and what it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BASCULE_CONFIG", raising=False)
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url())
    monkeypatch.setenv("BASCULE_CHAINS", f"{stage.network.chain_id}={stage.node.url}")

    async def ran(*words: str) -> tuple[int, Any]:
        capsys.readouterr()
        code = await asyncio.to_thread(run, [*words, "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out.splitlines()[0]) if code == 0 else said.err + said.out

    return ran


async def test_rebroadcast_offers_forgotten_bytes_once_more_and_pays_once(
    stage: Treasury, command: Command
) -> None:
    payout = await stage.approved()
    assert (await command("rebroadcast", payout["id"]))[0] == 1  # nothing is signed
    submitter = await stage.submitter()
    await submitter.run_once()
    [sent] = (await stage.read(payout))["transactions"]
    await stage.node.rpc("bascule_dropTransaction", sent["hash"])

    _, shown = await command("rebroadcast", payout["id"], "--dry-run")
    assert (shown["says"], shown["transaction"]) == ("not asked", sent["hash"])
    assert await stage.rows("SELECT sum(times) FROM offers") == [(1,)]
    _, shown = await command("rebroadcast", payout["id"])
    assert shown["says"] == "accepted"
    assert await stage.rows("SELECT times, accepted FROM offers") == [(2, 2)]

    await stage.run(submitter)
    assert await stage.status(payout) == "paid"
    code, why = await command("rebroadcast", payout["id"])
    assert (code, "nothing to send" in why) == (1, True)
    assert await stage.rows("SELECT count(*) FROM audit_log WHERE action = 'payout.rebroadcast'") == [(1,)]
    await stage.require_truth()


@pytest.mark.parametrize("frozen", ["all", "wallet"])
async def test_rebroadcast_pushes_nothing_of_what_is_frozen(
    stage: Treasury, command: Command, frozen: str
) -> None:
    payout = await stage.approved()
    await (await stage.submitter()).run_once()
    [(wallet,)] = await stage.rows("SELECT '0x' || encode(wallet, 'hex') FROM slots")
    assert (await command("freeze", wallet if frozen == "wallet" else frozen, "--reason", "stop"))[0] == 0

    code, why = await command("rebroadcast", payout["id"])

    assert (code, "so nothing is pushed" in why) == (1, True)
    assert await stage.rows("SELECT sum(times) FROM offers") == [(1,)]


async def test_payout_is_called_off_by_an_operator_at_once_or_at_the_vault(
    stage: Treasury, command: Command
) -> None:
    waiting, going = await stage.approved("1.00"), await stage.request("2.00")
    assert (await command("cancel-payout", waiting["id"]))[0] == 2  # no reason
    _, shown = await command("cancel-payout", waiting["id"], "--dry-run")
    assert (shown["status"], shown["would_be"]) == ("pending", "canceled")
    _, shown = await command("cancel-payout", waiting["id"], "--reason", "a typing error")
    assert shown["status"] == "canceled"

    await stage.approve(going)
    await (await stage.submitter()).run_once()
    code, why = await command("cancel-payout", going["id"], "--reason", "too much")
    assert (code, "no canceller" in why) == (1, True)
    await stage.open_canceller()
    _, shown = await command("cancel-payout", going["id"], "--reason", "too much")
    assert (shown["status"], shown["cancellation"]) == ("in_transit", "open")

    assert await stage.rows("SELECT count(*) FROM audit_log WHERE action = 'payout.cancel'") == [(2,)]
    await stage.require_truth()
