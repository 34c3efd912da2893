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

Lines = list[dict[str, Any]]


@pytest.fixture
async def books(db: Database, database_url: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> Books:
    monkeypatch.setenv("BASCULE_DATABASE_URL_WORKER", database_url("worker"))
    made = Books(db)
    await made.set_up()
    await made.run("UPDATE blocks SET block_time = now() - interval '3 days'")
    await fund(made)
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
