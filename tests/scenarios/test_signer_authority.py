"""Whom the signer obeys, changed by people at their command lines while money waits to go out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bascule.entrypoints.cli.app import run
from tests.support.money_out import OpenAs, Treasury, approver, payee, treasury


@pytest.fixture
async def stage(
    db_as: OpenAs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: Callable[..., str]
) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        known = [{"private_key": approver(number).private_key} for number in range(1, 7)]
        (tmp_path / "ready.json").write_text(json.dumps({"treasury": {"approvers": known}}))
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("BASCULE_DATA_DIR", str(tmp_path))
        monkeypatch.setenv("BASCULE_DATABASE_URL", database_url())
        monkeypatch.setenv("BASCULE_SIGNER_SOCKET", str(built.socket))
        yield built


async def bascule(*words: str) -> int:
    """The exit code of a command, run beside the signer of this test."""
    return await asyncio.to_thread(run, [*words, "--json"])


async def propose(stage: Treasury, *members: int, threshold: int = 2, out: str = "roster.json") -> None:
    named = [word for number in members for word in ("--approver", approver(number).address)]
    words = ["roster", "propose", stage.operator, "--threshold", str(threshold), "--out", out, *named]
    assert await bascule(*words) == 0


async def test_lost_approver_key_is_replaced_and_waiting_money_is_approved_anew(stage: Treasury) -> None:
    waiting = await stage.approved("7.00", payee(1))
    await propose(stage, 1, 2, 4)
    for number in (1, 2):
        assert await bascule("roster", "sign", "roster.json", "--approver", str(number)) == 0

    assert await bascule("roster", "apply", "roster.json") == 0
    await stage.run(rounds=2)

    assert await stage.status(waiting) == "requires_action"
    assert await stage.transfers_out() == []
    await stage.approve(waiting, 1, 4)
    await stage.run()
    assert await stage.status(waiting) == "paid"
    told = await stage.rows("SELECT details->'version' FROM audit_log WHERE action = 'roster.apply'")
    assert told == [(2,)]
    assert await bascule("roster", "apply", "roster.json") == 0  # again is harmless
    await stage.require_truth()


async def test_roster_with_too_few_signatures_changes_nothing_anywhere(
    stage: Treasury, capsys: pytest.CaptureFixture[str]
) -> None:
    await propose(stage, 4, 5, 6)
    assert await bascule("roster", "sign", "roster.json", "--approver", "1") == 0
    assert await bascule("roster", "sign", "roster.json", "--approver", "1") == 0  # counts once
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["signatures"] == 1

    assert await bascule("roster", "apply", "roster.json") == 1

    assert "approvals_missing" in capsys.readouterr().err
    assert await stage.rows("SELECT max(version) FROM signer.rosters") == [(1,)]
    assert await stage.rows("SELECT max(roster_version) FROM approvers") == [(1,)]
    paid = await stage.approved("7.00", payee(1))
    await stage.run()
    assert await stage.status(paid) == "paid"


async def test_limits_are_lowered_by_two_signatures(stage: Treasury) -> None:
    words = ["--token", stage.token.id, "--per-item", "5.00", "--per-day", "9.00", "--out", "limits.json"]
    assert await bascule("limits", "propose", *words) == 0
    for number in (2, 3):
        assert await bascule("limits", "sign", "limits.json", "--approver", str(number)) == 0

    assert await bascule("limits", "apply", "limits.json") == 0

    over, within = await stage.approved("5.01", payee(1)), await stage.approved("5.00", payee(2))
    await stage.run(rounds=3)
    assert [await stage.status(each) for each in (over, within)] == ["requires_action", "paid"]
    await require_bounds_of_the_account_alone(stage)
    await stage.require_truth()


async def require_bounds_of_the_account_alone(stage: Treasury) -> None:
    """A day of 8.00, of which 5.00 is used up, and one address; what is to another asks people anew."""
    words = ["--token", stage.token.id, "--per-day", "8.00", "--to", payee(3), "--out", "account.json"]
    assert await bascule("limits", "propose-account", stage.operator, *words) == 0
    for number in (1, 3):
        assert await bascule("limits", "sign", "account.json", "--approver", str(number)) == 0
    assert await bascule("limits", "apply", "account.json") == 0

    asked = {to: await stage.approved("3.00", payee(to)) for to in (3, 4)}
    stage.clock.advance(timedelta(seconds=1))  # of two asked for at one moment either may be paid first
    late = await stage.approved("0.01", payee(3))
    await stage.run(rounds=3)

    assert [await stage.status(asked[to]) for to in (3, 4)] == ["paid", "requires_action"]
    waits = await stage.read(late)
    assert (waits["status"], waits["waits_for"]) == ("pending", "signer_refuses:account_day_exceeded")


async def test_first_roster_stands_once_and_for_ever(stage: Treasury) -> None:
    words = ["roster", "genesis", "--chain", "local", "--threshold", "2"]
    same = [word for n in (1, 2, 3) for word in ("--approver", approver(n).address)]
    assert await bascule(*words, *same) == 0
    assert await bascule(*words, *same[:4], "--approver", approver(9).address) == 1
    assert await stage.rows("SELECT count(*) FROM signer.roster_members") == [(3,)]


async def test_proposal_that_was_bent_on_its_way_is_refused(
    stage: Treasury, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await propose(stage, 1, 2, 4)
    for number in (1, 2):
        assert await bascule("roster", "sign", "roster.json", "--approver", str(number)) == 0
    file = tmp_path / "roster.json"
    told: dict[str, Any] = json.loads(file.read_text())
    told["typed_data"]["message"]["threshold"] = "1"
    file.write_text(json.dumps(told))

    assert await bascule("roster", "apply", "roster.json") == 1

    assert "approver_unknown" in capsys.readouterr().err
