"""`bascule restore check` as an operator meets it."""

import asyncio
import json
from collections.abc import Callable

import pytest

from bascule.domain.chain import Address
from bascule.domain.finality import FinalityPolicy
from bascule.entrypoints.cli.app import run
from bascule.storage import accounts, networks
from bascule.storage.database import Database
from bascule.storage.networks import Network


@pytest.fixture
async def installation(
    db: Database, database_url: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> Database:
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url())
    monkeypatch.setenv("BASCULE_DEPOSIT_SEED", "00" * 32)
    monkeypatch.setenv("BASCULE_RESTORE_GAP", "30")
    factory, forwarder = Address(b"\xfa" * 20), Address(b"\xf0" * 20)
    async with db.transaction() as conn:
        [now] = await (await conn.execute("SELECT now()")).fetchall()
        await accounts.create(conn, id="acct_op", kind="operator", name="Treasury", created_at=now[0])
        for chain_id, name in ((31_337, "local"), (1_337, "other")):
            policy = FinalityPolicy("finalized")
            network = Network(chain_id, name, False, policy, None, factory, forwarder, None)
            await networks.publish(conn, network)
    return db


async def _run(*arguments: str) -> int:
    return await asyncio.to_thread(run, ["restore", "check", *arguments])


async def test_without_a_sign_of_a_restore_nothing_changes(
    installation: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await _run("--json") == 0

    assert json.loads(capsys.readouterr().out) == {
        "epoch": 0,
        "watched": 0,
        "next": "nothing shows that this database was restored",
    }


async def test_a_restore_is_checked_once_and_says_what_to_configure(
    installation: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await _run("--restored", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"epoch": 1, "watched": 60, "next": "set BASCULE_DEPOSIT_EPOCH=1, then start"}
    async with installation.read() as conn:
        rows = await conn.execute("SELECT chain_id, count(*) FROM deposit_addresses GROUP BY 1 ORDER BY 1")
        assert await rows.fetchall() == [(1_337, 30), (31_337, 30)]

    monkeypatch.setenv("BASCULE_DEPOSIT_EPOCH", "1")
    assert await _run() == 0
    assert "nothing shows" in capsys.readouterr().out


async def test_two_words_at_once_and_a_loss_called_none_are_refused(
    installation: Database, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await _run("--restored", "--nothing-lost") == 2
    monkeypatch.setenv("BASCULE_DEPOSIT_EPOCH", "3")
    assert await _run("--nothing-lost") == 1
    assert "configuration is in epoch 3" in capsys.readouterr().err
    assert await _run("--json") == 0
    assert json.loads(capsys.readouterr().out)["epoch"] == 4
