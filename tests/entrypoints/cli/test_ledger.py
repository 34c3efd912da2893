"""`bascule ledger` as finance meets it."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bascule.entrypoints.cli.app import run
from bascule.storage.database import Database
from tests.support.books import OPERATOR, Books, fund
from tests.support.postgres import TestServer

Lines = list[dict[str, Any]]


@pytest.fixture
async def books(db: Database, database_url: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Books:
    monkeypatch.setenv("BASCULE_DATABASE_URL_WORKER", database_url("worker"))
    made = Books(db)
    await made.set_up()
    await made.run("UPDATE blocks SET block_time = now() - interval '3 days'")
    await fund(made)
    return made


@pytest.fixture
async def owned(db: Database, database_url: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Books:
    """Nothing is booked yet; the command has the owner's login and names a node."""
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url())
    monkeypatch.setenv("BASCULE_CHAINS", "31337=http://127.0.0.1:1")
    made = Books(db)
    await made.set_up()
    async with db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = 'replica'")
        await conn.execute("DELETE FROM cursors")
    return made


async def ledger(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Lines:
    """The lines of a command, which ends with `code`."""
    assert await asyncio.to_thread(run, ["ledger", *arguments, "--json"]) == code
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


async def test_verify_names_the_first_wrong_row_and_fails(
    books: Books, capsys: pytest.CaptureFixture[str]
) -> None:
    assert {line["wrong"] for line in await ledger(capsys, "verify")} == {"0"}

    async with books.db.transaction() as conn:
        await conn.execute("SET LOCAL session_replication_role = 'replica'")
        await conn.execute("UPDATE ledger.entry SET amount = 99 WHERE amount = 100")
    found = {line["check"]: line for line in await ledger(capsys, "verify", code=1)}

    assert found["G2"]["first"] == "transaction 1 posted -1, held 0 in tok_usd"
    assert (found["G5"]["wrong"], found["G5"]["first"]) == ("0", "")


async def test_books_are_closed_and_read_as_of_a_moment(
    books: Books, capsys: pytest.CaptureFixture[str]
) -> None:
    at = (datetime.now(UTC) - timedelta(days=3, hours=-1)).isoformat()
    stood = [
        {"account": f"available:{OPERATOR}", "token": "tok_usd", "posted": "-100"},
        {"account": "custody:vault", "token": "tok_usd", "posted": "100"},
    ]
    assert await ledger(capsys, "balances") == stood
    assert await ledger(capsys, "balances", "--at", at) == stood
    assert await ledger(capsys, "balances", "--at", "2020-01-01T00:00Z") == []
    assert await ledger(capsys, "balances", "--account", OPERATOR) == stood[:1]

    early = (datetime.now(UTC) - timedelta(days=4)).isoformat()
    [closed] = await ledger(capsys, "close", early)

    assert (closed["until"], closed["accounts"]) == (early, 0)
    assert await ledger(capsys, "periods") == [closed]
    async with books.db.read() as conn:
        rows = await conn.execute("SELECT action, object_id FROM audit_log")
        assert await rows.fetchall() == [("ledger.close", early)]


async def test_what_cannot_be_closed_or_read_is_said_and_changes_nothing(
    books: Books, capsys: pytest.CaptureFixture[str]
) -> None:
    for arguments, code, words in [
        (["close", "2026-11-01"], 2, "is no moment with a time zone"),
        (["balances", "--at", "yesterday"], 2, "is no moment with a time zone"),
        (["close", "9999-01-01T00:00Z"], 1, "a day after its end at the earliest"),
    ]:
        assert await asyncio.to_thread(run, ["ledger", *arguments]) == code
        assert words in capsys.readouterr().err

    assert await ledger(capsys, "periods") == []


@pytest.mark.slow
async def test_rebuild_makes_the_books_anew_and_leaves_no_database(
    owned: Books, postgres_server: TestServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a chain of its own; what differs is named in `tests/scenarios/test_rebuild.py`."""
    assert await asyncio.to_thread(run, ["ledger", "rebuild", "--compare"]) == 0
    assert capsys.readouterr().out == "0 transactions with 0 entries are as chain and commands say\n"
    left = postgres_server.admin.execute("SELECT datname FROM pg_database WHERE datname LIKE '%rebuild%'")
    assert left.fetchall() == []


async def test_rebuild_refuses_what_it_cannot_do(
    owned: Books, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await asyncio.to_thread(run, ["ledger", "rebuild"]) == 2
    assert "--compare" in capsys.readouterr().err
    assert await asyncio.to_thread(run, ["ledger", "rebuild", "--compare", "--chain", "moon"]) == 1
    assert "chains here: 31337 (local)" in capsys.readouterr().err
    monkeypatch.setenv("BASCULE_CHAINS", "")
    assert await asyncio.to_thread(run, ["ledger", "rebuild", "--compare"]) == 1
    assert "chain 31337 cannot be read: it has no node" in capsys.readouterr().err
