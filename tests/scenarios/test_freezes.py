"""The kill switch, turned at the command line while money is on its way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from psycopg import errors

from bascule.domain import stops
from bascule.domain.errors import Retryable
from bascule.entrypoints import explaining_money_out
from bascule.entrypoints.cli.app import run
from bascule.services.breaks import Breaks
from bascule.storage import signer_stops
from bascule.storage.breaks import Found
from tests.support.crashing import Crash, Crashing
from tests.support.money_out import OpenAs, Treasury, payee, treasury


@pytest.fixture
async def stage(
    db_as: OpenAs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: Callable[..., str]
) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("BASCULE_DATABASE_URL", database_url())
        yield built


async def bascule(*words: str) -> int:
    return await asyncio.to_thread(run, [*words, "--json"])


async def test_frozen_token_is_not_reserved_and_goes_on_when_released(stage: Treasury) -> None:
    asked = await stage.approved("7.00", payee(1))
    assert await bascule("freeze", stage.token.id, "--reason", "its issuer was robbed") == 0
    await stage.run(rounds=2)

    assert await stage.status(asked) == "pending"
    scope = stops.token(stage.network.chain_id, stage.token.contract)
    assert (await stage.read(asked))["waits_for"] == f"frozen:{scope}"
    async with stage.owner.read() as conn:
        told = await explaining_money_out.payout(conn, asked["id"])
    assert told["next"] == f"it waits (frozen:{scope}); an operator froze it: `bascule unfreeze`"
    assert await stage.rows("SELECT count(*) FROM slots") == [(0,)]

    assert await bascule("unfreeze", stage.token.id, "--reason", "it was a drill") == 0
    await stage.run()
    assert await stage.status(asked) == "paid"
    audited = await stage.rows("SELECT action, object_id, details->>'reason' FROM audit_log ORDER BY id")
    assert audited == [("freeze", scope, "its issuer was robbed"), ("unfreeze", scope, "it was a drill")]
    await stage.require_truth()


async def test_break_freezes_its_token_and_releases_it_when_a_person_explains_it(
    stage: Treasury,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    database_url: Callable[..., str],
) -> None:
    monkeypatch.setenv("BASCULE_DATABASE_URL_WORKER", database_url("worker"))
    asked = await stage.approved("7.00", payee(1))
    found = Found("custody_residual", stage.token.id, {}, stage.network.chain_id, stage.token.id, amount=-5)
    async with stage.owner.transaction() as conn:
        await Breaks(stage.use_cases.outbox).open(conn, found)
    await stage.run(rounds=2)
    assert await stage.status(asked) == "pending"
    scope = stops.token(stage.network.chain_id, stage.token.contract)
    assert (await stage.read(asked))["waits_for"] == f"frozen:{scope}"

    capsys.readouterr()
    assert await bascule("unfreeze", stage.token.id, "--reason", "no") == 0
    assert await bascule("breaks", "list") == 1
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (shown["type"], shown["amount_atomic"], shown["freezes_payouts"]) == (
        "custody_residual",
        "-5",
        True,
    )
    assert await bascule("breaks", "search", "--chain", "local") == 0
    assert await bascule("breaks", "runs") == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(run["requested_by"], run["status"]) for run in said] == [("cli", "requested")] * 2
    words = ("breaks", "resolve", shown["id"], "--reason", "burned by its issuer")
    assert await bascule(*words, "--dry-run") == 0
    await stage.run()
    assert await stage.status(asked) == "pending"

    assert await bascule(*words) == 0
    assert await bascule("breaks", "list") == 0
    await stage.run()
    assert await stage.status(asked) == "paid"
    assert await bascule(*words) == 1  # it has ended
    told = await stage.rows(
        "SELECT action, details->>'reason' FROM audit_log WHERE object_id = %s", shown["id"]
    )
    assert told == [("break.resolve", "burned by its issuer")]


async def test_freeze_during_a_batch_signs_nothing_new_and_follows_what_is_out(stage: Treasury) -> None:
    out = await stage.approved("7.00", payee(1))
    submitter = await stage.submitter()
    await submitter.run_once()  # sent, not mined
    await stage.approved("8.00", payee(2))
    assert await bascule("freeze", "all", "--reason", "stop") == 0

    await stage.run(submitter, rounds=3)

    assert await stage.status(out) == "paid"
    assert await stage.transfers_out() == [(payee(1), 7_000_000)]
    assert await stage.rows("SELECT count(*) FROM signer.slots") == [(1,)]
    await stage.require_truth()


@pytest.mark.parametrize(("bumps", "attempts"), [(False, 1), (True, 2)])
async def test_batch_that_is_out_when_all_is_frozen_gets_dearer_bytes_only_where_that_is_set(
    stage: Treasury, *, bumps: bool, attempts: int
) -> None:
    await stage.start_signer(bumps_frozen=bumps)
    out = await stage.approved("7.00", payee(1))
    submitter = await stage.submitter(bump_after=timedelta(seconds=30))
    await submitter.run_once()  # sent, not mined
    await stage.approved("8.00", payee(2))
    assert await bascule("freeze", "all", "--reason", "stop") == 0
    stage.clock.advance(timedelta(seconds=31))

    if bumps:
        await submitter.run_once()
    else:
        with pytest.raises(Retryable, match="froze"):
            await submitter.run_once()
    assert await stage.rows("SELECT count(*) FROM attempts") == [(attempts,)]
    await stage.follow(3)
    await stage.run(submitter)

    assert await stage.status(out) == "paid"
    assert await stage.transfers_out() == [(payee(1), 7_000_000)]
    assert await stage.rows("SELECT count(*) FROM signer.slots") == [(1,)]
    await stage.require_truth()


async def test_batch_that_was_reserved_before_the_freeze_waits_unsigned_and_is_paid_after_it(
    stage: Treasury,
) -> None:
    asked = await stage.approved("7.00", payee(1))
    with pytest.raises(Crash):
        await (await stage.submitter(failpoints=Crashing("submitter.after_reserve"))).run_once()
    assert await bascule("freeze", "local", "--reason", "stop") == 0

    with pytest.raises(Retryable, match="froze chain"):
        await stage.run()
    assert await stage.status(asked) == "in_transit"
    assert await stage.rows("SELECT count(*) FROM signer.slots") == [(0,)]
    assert await stage.rows("SELECT DISTINCT code FROM signer.refusals") == [("frozen",)]

    assert await bascule("unfreeze", "local", "--reason", "go") == 0
    await stage.run()
    assert await stage.status(asked) == "paid"
    await stage.require_truth()


async def test_signer_alone_holds_the_money_when_the_bridge_does_not_know_of_the_freeze(
    stage: Treasury,
) -> None:
    await stage.approved("7.00", payee(1))
    async with stage.owner.transaction() as conn:
        await signer_stops.set(conn, stops.ALL, stopped=True, reason="only here")

    with pytest.raises(Retryable, match="froze all"):
        await stage.run()

    assert await stage.transfers_out() == []
    await stage.require_truth()


async def test_destination_denied_after_the_approvals_is_not_paid(stage: Treasury) -> None:
    asked, honest = await stage.approved("7.00", payee(1)), await stage.approved("8.00", payee(2))
    assert await bascule("denylist", "add", payee(1), "--reason", "sanctioned") == 0

    await stage.run(rounds=3)

    assert [await stage.status(each) for each in (asked, honest)] == ["failed", "paid"]
    assert (await stage.read(asked))["failure_code"] == "destination_denylisted"
    assert await stage.transfers_out() == [(payee(2), 8_000_000)]
    await stage.require_truth()


async def test_switch_says_what_it_would_do_and_refuses_what_it_does_not_know(
    stage: Treasury, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await bascule("freeze", "all", "--dry-run") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["scope"], said["changes"], said["standing"]) == ("all", True, [])

    assert await bascule("freeze", "all") == 2  # no reason
    assert await bascule("freeze", "euros", "--reason", "x") == 1
    contract = (
        "0x" + stage.token.contract.hex()
    )  # a token goes by its id: as a wallet it would hold nothing back
    assert await bascule("freeze", contract, "--reason", "x") == 1
    assert "a token tok_" in capsys.readouterr().err
    assert await bascule("unfreeze", "all", "--reason", "x") == 0  # nothing was frozen
    for table in ("signer.stops", "freezes", "audit_log"):
        assert await stage.rows(f"SELECT count(*) FROM {table}") == [(0,)]  # type: ignore[arg-type]


async def test_no_process_can_release_what_an_operator_froze(stage: Treasury) -> None:
    await stage.approved("7.00", payee(1))
    assert await bascule("freeze", "all", "--reason", "stop") == 0

    bridges = "INSERT INTO freezes (scope, frozen, reason) VALUES ('all', false, 'mine')"
    signers = "INSERT INTO signer.stops (scope, stopped, reason) VALUES ('all', false, 'mine')"
    tries = [(db, text) for db in (stage.api, stage.submitters_db) for text in (bridges, signers)]
    for db, statement in (*tries, (stage.signers_db, signers)):
        async with db.read() as conn:
            with pytest.raises(errors.InsufficientPrivilege):
                await conn.execute(statement.encode())

    await stage.run(rounds=2)
    assert await stage.transfers_out() == []
