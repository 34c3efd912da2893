"""`bascule restore check` as an operator meets it."""

import asyncio
import json
from collections.abc import Callable

import pytest

from bascule.domain.chain import Address
from bascule.domain.finality import FinalityPolicy
from bascule.entrypoints.cli.app import run
from bascule.storage import accounts, address_epochs, lanes, networks
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
    wallet = Address(b"\x33" * 20)
    async with installation.transaction() as conn:
        await lanes.add_wallet(conn, 31_337, wallet, name="vault-0")
        await lanes.open(conn, 31_337, lane=0, name="vault-0", vault=Address(b"\x44" * 20), wallet=wallet)
    assert await _run("--restored", "--dry-run", "--json") == 0
    would = json.loads(capsys.readouterr().out.splitlines()[0])
    assert would == {"epoch": 1, "watched": 60, "next": "epoch 1 would begin; run it without --dry-run"}
    async with installation.read() as conn:
        assert (await address_epochs.current(conn)).epoch == 0
    assert await _run("--restored", "--json") == 0
    told, lane = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    then = (
        "set BASCULE_DEPOSIT_EPOCH=1, start the watcher, and run `bascule restore check` again:"
        " it says which lanes end"
    )
    assert told == {"epoch": 1, "watched": 60, "next": then}
    assert (lane["lane"], lane["state"], lane["batches"]) == ("31337/vault-0", "unknown", 0)
    assert "BASCULE_CHAINS names no node of chain 31337" in lane["next"]
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
    assert await _run("--send", "--dry-run") == 2
    for lane in ("31337=0x01", "31337/one=0x01", "31337/1"):
        assert await _run("--open", lane) == 2
    assert await _run("--end", "31337/vault-7") == 1
    assert "open lanes: none" in capsys.readouterr().err
    monkeypatch.setenv("BASCULE_DEPOSIT_EPOCH", "3")
    assert await _run("--nothing-lost") == 1
    assert "configuration is in epoch 3" in capsys.readouterr().err
    assert await _run("--json") == 0
    assert json.loads(capsys.readouterr().out)["epoch"] == 4
