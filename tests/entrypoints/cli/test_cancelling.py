"""`bascule canceller register`: the vault's canceller gets its lane, in the rows of bridge and signer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bascule.domain.chain import parse_address
from bascule.entrypoints import wallet_keys
from bascule.entrypoints.cli.app import run
from bascule.storage import audit, lanes, signer_wallets
from tests.support.money_out import OpenAs, Treasury, treasury

CANCELLER = 4


@pytest.fixture
async def stage(db_as: OpenAs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Treasury]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BASCULE_CONFIG", raising=False)
    async with treasury(db_as, tmp_path) as built:
        monkeypatch.setenv("BASCULE_DATABASE_URL", built.owner.url)
        monkeypatch.setenv("BASCULE_CHAINS", f"{built.network.chain_id}={built.node.url}")
        yield built


async def register(stage: Treasury, *words: str) -> int:
    line = ["canceller", "register", "--chain", str(stage.network.chain_id), *words, "--json"]
    return await asyncio.to_thread(run, line)


async def rows(stage: Treasury) -> tuple[Any, Any, int]:
    chain_id, wallet = stage.network.chain_id, parse_address(stage.node.accounts[CANCELLER].address)
    async with stage.owner.transaction() as conn:
        lines = await audit.of_object(conn, str(chain_id))
        return (
            await lanes.service_wallet(conn, chain_id, "canceller"),
            await signer_wallets.lock(conn, chain_id, wallet),
            sum(line["action"] == "canceller.register" for line in lines),
        )


async def test_vaults_canceller_gets_its_lane_and_calls_a_payout_off(
    stage: Treasury, capsys: pytest.CaptureFixture[str]
) -> None:
    address = stage.node.accounts[CANCELLER].address

    assert await register(stage, "--wallet", address) == 0
    told = json.loads(capsys.readouterr().out)
    assert await register(stage, "--wallet", address) == 0

    wallet, signs, lines = await rows(stage)
    assert (told["wallet"], told["lane"]) == (address, f"{stage.network.chain_id}/canceller")
    assert (wallet.address, signs.role, lines) == (parse_address(address), "canceller", 1)
    await stage.follow(3)
    payout = await stage.approved()
    await (await stage.submitter()).run_once()
    [waiting] = (await stage.read(payout))["transactions"]
    await stage.node.rpc("bascule_dropTransaction", waiting["hash"])
    await stage.cancel(payout)
    await stage.run(await stage.submitter(holder="c", lane="canceller"), rounds=2)
    assert (await stage.read(payout))["status"] == "canceled"


async def test_wallet_that_the_vault_does_not_name_is_refused_and_changes_nothing(
    stage: Treasury, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = stage.node.accounts[7].address

    assert await register(stage, "--wallet", stranger) == 1
    assert f"let the vault's owner call setCanceller({stranger})" in capsys.readouterr().err
    assert await register(stage) == 2
    assert "set BASCULE_CANCELLER_KEYSTORE" in capsys.readouterr().err
    assert (await rows(stage))[0] is None


async def test_key_that_is_configured_names_the_wallet_and_doctor_knows_whether_the_signer_does(
    stage: Treasury, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keystore = tmp_path / "canceller.json"
    wallet_keys.keep_key(keystore, "a password", stage.node.accounts[CANCELLER].private_key)
    monkeypatch.setenv("BASCULE_CANCELLER_KEYSTORE", str(keystore))
    monkeypatch.setenv("BASCULE_CANCELLER_KEYSTORE_PASSWORD", "a password")
    monkeypatch.setenv("BASCULE_DATABASE_URL_SIGNER", stage.signers_db.url)

    async def doctor() -> dict[str, Any]:
        await asyncio.to_thread(run, ["doctor", "--json"])
        said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        return {line["check"]: line for line in said}[f"canceller of chain-{stage.network.chain_id}"]

    unknown = await doctor()
    assert (unknown["state"], "bascule canceller register" in unknown["remedy"]) == ("failed", True)
    assert await register(stage) == 0
    capsys.readouterr()
    assert (await doctor())["state"] == "ok"
