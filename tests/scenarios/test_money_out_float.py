"""Money out of a vault that is short: treasury is told how much, until it is booked and all is paid."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bascule.domain.chain import Address, checksum, parse_address
from bascule.entrypoints.cli.app import run
from bascule.storage import floats, lanes
from tests.scenarios.test_money_out_batches import MILLION, leave_in_the_vault
from tests.support.chain import calldata
from tests.support.money_out import FLOAT, OpenAs, Treasury, treasury


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        monkeypatch.setenv("BASCULE_DATABASE_URL", built.owner.url)
        monkeypatch.setenv("BASCULE_CHAINS", f"{built.network.chain_id}={built.node.url}")
        yield built


async def shown(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    capsys.readouterr()
    assert await asyncio.to_thread(run, ["float", "--json"]) == 0
    [line] = [line for line in capsys.readouterr().out.splitlines() if line[0] == "{"]
    found: dict[str, Any] = json.loads(line)
    return found


async def capital(stage: Treasury, units: int) -> None:
    """The Safe outside, a registered source, sends so much to the vault; it is in a block, not final."""
    source = stage.node.accounts[6]
    add = ["sources", "add", "--chain", str(stage.network.chain_id), "--address", source.address]
    assert await asyncio.to_thread(run, [*add, "--label", "Safe"]) == 0
    await stage.issuer("mint(address,uint256)", source.address, units)
    token = checksum(Address(stage.token.contract))
    sent = await stage.node.transact(
        source, to=token, data=calldata("transfer(address,uint256)", [stage.vault, units])
    )
    assert sent["status"] == "0x1"
    await stage.follow()


async def test_proposed_top_up_is_open_then_seen_then_done_and_the_payouts_are_paid(
    stage: Treasury, capsys: pytest.CaptureFixture[str]
) -> None:
    await leave_in_the_vault(stage, 5 * MILLION)
    payouts = [await stage.approved("4.00")]
    stage.clock.advance(timedelta(seconds=1))
    payouts.append(await stage.approved("9.00"))
    lane = await stage.submitter()
    await lane.run_once()
    assert (await shown(capsys))["in_flight"] == "4.000000"
    await stage.run(lane)

    assert [await stage.status(each) for each in payouts] == ["paid", "pending"]
    told = await shown(capsys)
    assert (told["held"], told["waiting"], told["missing"]) == ("1.000000", "9.000000", "8.000000")
    assert (told["top_up"], told["runway_hours"]) == ("open", 6.0)  # 1 is left, 4 went within a day

    await capital(stage, 8 * MILLION)
    told = await shown(capsys)
    assert (told["top_up"], told["coming"], told["held"]) == ("seen", "8.000000", "1.000000")
    await lane.run_once()
    assert await stage.status(payouts[1]) == "pending"  # what is not final pays nobody

    await stage.run(lane, rounds=2)
    told = await shown(capsys)
    assert (told["top_up"], told["held"], told["missing"]) == ("none", "0.000000", "0.000000")
    assert int(float(told["limit_left"])) == FLOAT // MILLION - 13
    assert [await stage.status(each) for each in payouts] == ["paid", "paid"]
    done = await stage.rows("SELECT amount, done_at IS NOT NULL FROM float_proposals")
    assert done == [(8 * MILLION, True)]
    assert [amount for _, amount in (await stage.transfers_out())[1:]] == [4 * MILLION, 9 * MILLION]


async def test_treasury_is_told_once_when_the_float_is_low_and_once_when_it_is_not(stage: Treasury) -> None:
    await leave_in_the_vault(stage, 5 * MILLION)
    payout = await stage.approved("9.00")
    lane = await stage.submitter()

    async def told(*, before: timedelta = timedelta(seconds=16)) -> list[tuple[Any, ...]]:
        stage.clock.advance(before)
        await lane.run_once()
        return await stage.rows(
            "SELECT type, object_version, object->'missing'->>'amount', object->'low' FROM outbox"
            " WHERE type LIKE 'float.%%' ORDER BY id"
        )

    async def proposed() -> list[tuple[Any, ...]]:
        return await stage.rows(
            "SELECT reason, amount, done_at IS NOT NULL FROM float_proposals ORDER BY proposed_at"
        )

    low = ("float.low", 1, "4.000000", True)
    assert await told() == [low]
    assert await told() == [low], "once"

    await stage.cancel(payout)
    assert await told() == [low, ("float.recovered", 2, "0.000000", False)]
    assert await proposed() == [("missing", 4 * MILLION, True)]


async def test_float_that_soon_runs_out_is_proposed_until_it_is_booked_though_no_payout_waits(
    stage: Treasury, capsys: pytest.CaptureFixture[str]
) -> None:
    await leave_in_the_vault(stage, 5 * MILLION)
    payout = await stage.approved("4.50")
    lane = await stage.submitter()
    await stage.run(lane, rounds=2)
    assert await stage.status(payout) == "paid"

    await stage.rows_change(  # as the database's own clock would have it, on the story's time
        "SET LOCAL session_replication_role = replica;"
        f" UPDATE slots SET created_at = '{stage.clock.now().isoformat()}'"
    )

    async def look() -> tuple[str, ...]:
        stage.clock.advance(timedelta(seconds=16))
        await lane.run_once()
        told = await shown(capsys)
        return told["top_up"], told["reason"], told["proposed"], told["missing"]

    assert await look() == ("open", "runway", "4.000000", "0.000000"), (
        "a day's rate is 4.50, and 0.50 is left"
    )
    await capital(stage, 4 * MILLION)
    assert await look() == ("seen", "runway", "4.000000", "0.000000")
    await stage.run(lane, rounds=2)

    assert await look() == ("none", None, "0.000000", "0.000000")
    assert await stage.rows("SELECT reason, amount, done_at IS NOT NULL FROM float_proposals") == [
        ("runway", 4 * MILLION, True)
    ]


async def test_new_vault_is_not_taken_to_hold_what_the_old_one_holds(stage: Treasury) -> None:
    """Both have lanes while one takes the other's place; the journal knows their money as one sum."""
    chain_id, token, old = stage.network.chain_id, stage.token.id, parse_address(stage.vault)
    new, spare = [parse_address(stage.node.accounts[number].address) for number in (7, 5)]

    async def held(vault: Address) -> int:
        async with stage.owner.read() as conn:
            return await floats.held(conn, chain_id, vault, token)

    async with stage.owner.transaction() as conn:
        await lanes.add_wallet(conn, chain_id, spare, name="vault-9")
        await lanes.open(conn, chain_id, lane=9, name="vault-9", vault=new, wallet=spare)
    assert (await held(old), await held(new)) == (0, 0), "nobody has asked the chain yet"

    payout = await stage.approved("4.00")
    lane = await stage.submitter()
    await stage.run(lane, rounds=2)

    assert await stage.status(payout) == "paid"
    assert (await held(old), await held(new)) == (FLOAT - 4 * MILLION, 0)
    await stage.rows_change("UPDATE vault_floats SET balance = 10000000")  # before the batch, at most
    assert await held(old) == 6 * MILLION, "what was paid since is not there any more"
    stage.clock.advance(timedelta(seconds=16))
    await lane.run_once()
    assert await held(old) == FLOAT - 4 * MILLION


async def test_source_of_capital_is_registered_once_audited_and_never_one_of_ours(
    stage: Treasury, capsys: pytest.CaptureFixture[str]
) -> None:
    async def added(address: str) -> tuple[int, str]:
        capsys.readouterr()
        line = ["sources", "add", "--chain", str(stage.network.chain_id), "--address", address, "--json"]
        code = await asyncio.to_thread(run, line)
        told = capsys.readouterr()
        return code, told.out or told.err

    safe = stage.node.accounts[6].address
    assert [json.loads((await added(safe))[1])["registered"] for _ in range(2)] == ["now", "before"]
    code, told = await added(stage.vault)
    assert (code, "is ours already" in told) == (1, True)
    kept = await stage.rows("SELECT details->>'address' FROM audit_log WHERE action = 'treasury_source.add'")
    assert kept == [(safe,)]


async def test_proposal_ends_when_the_payout_that_needed_it_is_called_off(stage: Treasury) -> None:
    await leave_in_the_vault(stage, 5 * MILLION)
    payout = await stage.approved("9.00")
    lane = await stage.submitter()
    await lane.run_once()
    assert await stage.rows("SELECT done_at FROM float_proposals") == [(None,)]

    await stage.cancel(payout)
    await lane.run_once()

    assert await stage.rows("SELECT count(*) FROM float_proposals WHERE done_at IS NULL") == [(0,)]
