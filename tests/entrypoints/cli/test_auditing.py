"""`bascule audit` as an auditor meets it: the second command knows nothing but the file."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bascule.entrypoints.cli.app import run
from bascule.services.sealer import AT_ONCE
from bascule.storage.audit import append
from bascule.storage.database import Database
from tests.support.books import Books, fund


async def audit(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    """The line of a command, which ends with `code`."""
    assert await asyncio.to_thread(run, ["audit", *arguments, "--json"]) == code
    shown: dict[str, Any] = json.loads(capsys.readouterr().out)
    return shown


async def test_export_proves_itself_offline_and_names_the_row_that_was_changed(
    db: Database,
    database_url: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("BASCULE_DATABASE_URL_WORKER", database_url("worker"))
    books, file = Books(db), tmp_path / "export.jsonl"
    await books.set_up()
    await fund(books)
    assert (await audit(capsys, "export", str(file)))["lines"] == 3
    monkeypatch.delenv("BASCULE_DATABASE_URL_WORKER")
    before = file.read_text()
    monkeypatch.setenv("BASCULE_DATABASE_URL_AUDITOR", database_url("auditor"))
    await audit(capsys, "export", str(file))
    assert file.read_text() == before, "an auditor exports by a login that only reads"
    monkeypatch.delenv("BASCULE_DATABASE_URL_AUDITOR")

    found = await audit(capsys, "verify", str(file))
    assert (found["seals"], found["rows"], found["wrong"]) == (1, 1, "")
    await audit(capsys, "verify", str(file), "--head", found["head"])
    other = await audit(capsys, "verify", str(file), "--head", "0x" + "00" * 32, code=1)
    assert "history was written anew" in other["wrong"]

    file.write_text(file.read_text().replace('"100"', '"101"'))
    told = await audit(capsys, "verify", str(file), code=1)
    assert told["wrong"] == "ledger row 1 was changed after seal 1 was made"


async def test_export_ends_while_others_write(
    db: Database,
    database_url: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("BASCULE_DATABASE_URL_WORKER", database_url("worker"))
    done = asyncio.Event()

    async def write() -> None:
        while not done.is_set():
            async with db.transaction() as conn:
                await append(conn, actor="cli", action="one more", object_id="o")
            await asyncio.sleep(0.005)

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        try:
            async with asyncio.timeout(20):
                await audit(capsys, "export", str(tmp_path / "export.jsonl"))
        finally:
            done.set()

    lines = [json.loads(line) for line in (tmp_path / "export.jsonl").read_text().splitlines()]
    *full, _ = [len(line["rows"]) for line in lines if "seal" in line]
    assert set(full) <= {AT_ONCE}  # so many seals as there was something to seal when it began, about


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it was cut off"),
        ("hello\n", "line 1 is no JSON"),
        ('{"end": 0, "end": 0}\n', "says a thing twice"),
        ("[]\n", "line 1 is no object"),
        ('{"seal": 1}\n', "neither a seal nor a row"),
    ],
)
def test_file_that_is_no_export_is_said_to_be_none(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str, words: str
) -> None:
    file = tmp_path / "export.jsonl"
    file.write_text(text)

    assert run(["audit", "verify", str(file)]) == 2

    assert words in capsys.readouterr().err
