"""Start-ups that must not be: each ends at once with one clear line, and 1 or 3."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bascule.domain.finality import FinalityPolicy
from bascule.entrypoints import wallet_keys
from bascule.entrypoints.cli.app import run
from bascule.entrypoints.devchain.node import DevChain
from bascule.storage import networks
from bascule.storage.database import Database
from bascule.storage.networks import Network
from tests.support.postgres import TestServer

Url = Callable[..., str]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BASCULE_CONFIG", raising=False)


def refusal(words: list[str], captured: Captured) -> tuple[int, str]:
    """Exit code and first line; there are exactly two."""
    code = run(words)
    lines = captured.readouterr().err.strip().splitlines()
    told = [line for line in lines if not line.startswith("{")]  # logs are JSON lines
    assert len(told) == 2, lines
    return code, told[0]


@pytest.fixture
def other_chain() -> Iterator[str]:
    """A node of chain 999, turning in a thread while the command under test has the main one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    chain = DevChain(chain_id=999)
    asyncio.run_coroutine_threadsafe(chain.start(), loop).result(30)
    yield chain.url
    asyncio.run_coroutine_threadsafe(chain.stop(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)
    loop.close()


async def serve_network(url: str, chain_id: int) -> None:
    async with Database(url) as db, db.transaction() as conn:
        await networks.publish(
            conn, Network(chain_id, "local", False, FinalityPolicy("finalized"), None, None, None, None)
        )


def test_database_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setenv("BASCULE_DATABASE_URL", "postgresql://x:y@127.0.0.1:1/none")

    code, line = refusal(["worker"], capsys)

    assert code == 3
    assert "the database does not answer" in line


def test_missing_migration_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, postgres_server: TestServer
) -> None:
    postgres_server.create("bare", "template0")
    monkeypatch.setenv("BASCULE_DATABASE_URL", postgres_server.url_of("bare", "worker"))
    try:
        code, line = refusal(["worker"], capsys)
    finally:
        postgres_server.drop("bare")

    assert code == 1
    assert "run bascule migrate" in line


def test_owner_login_is_too_much_for_a_process(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, database_url: Url
) -> None:
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url())

    code, line = refusal(["worker"], capsys)

    assert code == 1
    assert "other rights than bascule_worker: superuser" in line


def test_login_of_another_process_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, database_url: Url
) -> None:
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url("submitter"))

    code, line = refusal(["worker"], capsys)

    assert code == 1
    assert "member of bascule_submitter" in line


def test_wrong_keystore_password_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, database_url: Url, tmp_path: Path
) -> None:
    wallet_keys.keep_key(tmp_path / "key.json", "right", "0x" + "11" * 32)
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url("signer"))
    monkeypatch.setenv("BASCULE_SIGNER_KEYSTORE", str(tmp_path / "key.json"))
    monkeypatch.setenv("BASCULE_SIGNER_KEYSTORE_PASSWORD", "wrong")
    monkeypatch.setenv("BASCULE_SIGNER_SOCKET", "signer.sock")

    code, line = refusal(["signer"], capsys)

    assert code == 1
    assert "wrong password" in line
    assert "key.json" in line


def test_socket_path_that_is_too_long_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, tmp_path: Path
) -> None:
    monkeypatch.setenv("BASCULE_SIGNER_SOCKET", str(tmp_path / ("s" * 120)))

    code, line = refusal(["signer"], capsys)

    assert code == 1
    assert "socket path" in line


def test_busy_port_is_said(monkeypatch: pytest.MonkeyPatch, capsys: Captured, database_url: Url) -> None:
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url("api"))
    monkeypatch.setenv("BASCULE_API_PEPPER", "p" * 32)
    monkeypatch.setenv("BASCULE_DEPOSIT_SEED", "5e" * 32)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("BASCULE_API_PORT", str(port))

        code, line = refusal(["api"], capsys)

    assert code == 1
    assert f"port {port}" in line
    assert "address already in use" in line


def test_busy_port_stops_dev_before_anything_is_made(capsys: Captured, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, line = refusal(["dev", "--port", str(port), "--data-dir", str(tmp_path / "data")], capsys)

    assert code == 1
    assert f"port {port}" in line
    assert not (tmp_path / "data" / "postgres").exists()


def test_wrong_chain_behind_a_url_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, database_url: Url, other_chain: str
) -> None:
    asyncio.run(serve_network(database_url(), 31337))
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url("watcher"))
    monkeypatch.setenv("BASCULE_CHAINS", f"31337={other_chain}")

    code, line = refusal(["watcher", "--chain", "31337"], capsys)

    assert code == 1
    assert "999" in line
    assert "31337" in line


def test_node_that_does_not_answer_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, database_url: Url
) -> None:
    asyncio.run(serve_network(database_url(), 31337))
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url("watcher"))
    monkeypatch.setenv("BASCULE_CHAINS", "31337=http://127.0.0.1:1")

    code, line = refusal(["watcher", "--chain", "local"], capsys)

    assert code == 3
    assert "no answer from the node" in line


def test_reconciliation_without_a_node_is_not_called_even(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, database_url: Url
) -> None:
    asyncio.run(serve_network(database_url(), 31337))
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url("worker"))

    code, line = refusal(["reconcile"], capsys)

    assert code == 1
    assert "BASCULE_CHAINS names no node of chain 31337" in line


def test_chain_nobody_serves_is_named_with_those_we_do(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, database_url: Url
) -> None:
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url("watcher"))

    code, line = refusal(["watcher", "--chain", "moon"], capsys)

    assert code == 1
    assert "there is no chain moon" in line


def test_reconcile_refuses_a_chain_we_do_not_serve(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, database_url: Url
) -> None:
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url("worker"))

    code, line = refusal(["reconcile", "--chain", "5"], capsys)

    assert code == 1
    assert "there is no chain 5" in line


def test_reconcile_does_not_ask_another_chain_for_our_balances(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, database_url: Url, other_chain: str
) -> None:
    asyncio.run(serve_network(database_url(), 31337))
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url("worker"))
    monkeypatch.setenv("BASCULE_CHAINS", f"31337={other_chain}")

    code, line = refusal(["reconcile"], capsys)

    assert code == 1
    assert "999" in line
