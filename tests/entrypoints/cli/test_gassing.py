"""`bascule gas`: a short wallet is named wherever an operator looks, and the gas wallet fills it up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bascule.entrypoints.cli.app import run
from bascule.entrypoints.metrics import Meters
from bascule.entrypoints.readiness import readiness
from bascule.storage import gas
from tests.scenarios.test_money_out_gas import drain, later
from tests.support.money_out import OpenAs, Treasury, treasury


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Treasury]:
    async with treasury(db_as, tmp_path) as built:
        monkeypatch.setenv("BASCULE_DATABASE_URL", built.owner.url)
        monkeypatch.setenv("BASCULE_CHAINS", f"{built.network.chain_id}={built.node.url}")
        yield built


ROUTE = ["gas", "route", "--chain", "local", "--to", "vault-0", "--max-per-item", "8.5", "--max-per-day", "9"]
ROUTE += ["--max-fee-gwei", "1000"]


async def test_short_wallet_is_named_everywhere_until_the_gas_wallet_filled_it(
    stage: Treasury, capsys: pytest.CaptureFixture[str]
) -> None:
    async def say(*words: str) -> list[dict[str, Any]]:
        assert await asyncio.to_thread(run, [*words, "--json"]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line[0] == "{"]

    await drain(stage)
    await say("gas", "register", "--chain", "local", "--wallet", stage.node.accounts[5].address)
    assert (await say(*ROUTE))[0]["limits"] == "new"
    assert (await say(*ROUTE))[0]["limits"] == "as before"
    await stage.follow(3)
    lane, filler = await stage.submitter(), await stage.submitter(holder="g", lane="gas")
    await lane.run_once()
    name = f"eip155:{stage.network.chain_id}/vault-0"
    meters = Meters()

    [shown] = await say("gas", "list")
    assert (shown["lane"], shown["short"], shown["runway_hours"]) == (name, True, None)
    assert (await readiness(stage.api, stage.clock, 60.0))[1]["short_wallets"] == [name]
    async with stage.api.read() as conn:
        meters.wallets = await gas.standing(conn)
    labels = f'{{chain="eip155:{stage.network.chain_id}",lane="vault-0"}}'
    assert f"bascule_wallet_short{labels} 1.0" in meters.text().decode()

    await later(stage, filler, lane, rounds=3)
    shown = next(each for each in await say("gas", "list") if each["lane"] == name)
    assert (shown["short"], shown["missing"]) == (False, "0.000000")
    assert (await readiness(stage.api, stage.clock, 60.0))[1]["short_wallets"] == []


def changed(old: str, new: str) -> list[str]:
    return [new if word == old else word for word in ROUTE[1:]]


REFUSED = {
    "a lane's wallet": (["register", "--chain", "local", "--wallet", "LANE"], "wallet of another lane"),
    "no gas wallet": (ROUTE[1:], "has no gas wallet"),
    "no such lane": (changed("vault-0", "vault-9"), "no lane vault-9"),
    "no amount": (changed("8.5", "1e3"), "no amount of coin"),
    "a day below an item": (changed("8.5", "99"), "below --max-per-item"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_impossible_gas_wallet_or_route_is_refused_and_changes_nothing(
    stage: Treasury, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    words, said = REFUSED[case]
    asked = [stage.wallet.address if word == "LANE" else word for word in words]

    assert await asyncio.to_thread(run, ["gas", *asked]) != 0

    assert said in capsys.readouterr().err
    counts = "SELECT (SELECT count(*) FROM gas_routes), (SELECT count(*) FROM wallets)"
    assert await stage.rows(counts) == [(0, 1)]
