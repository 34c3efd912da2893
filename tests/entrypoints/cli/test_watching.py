"""What an operator tells a watcher from the command line, on a real database."""

import json
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest

from bascule.entrypoints.cli.app import run

WORDS = ["watcher", "forget-headers", "--chain", "dev", "--json", "--reason"]


def test_what_was_learned_of_headers_is_forgotten_for_a_reason(
    database_url: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BASCULE_CONFIG", raising=False)
    monkeypatch.setenv("BASCULE_DATABASE_URL", database_url())
    with psycopg.connect(database_url(), autocommit=True) as conn:
        conn.execute(
            "INSERT INTO networks (chain_id, name, livemode, finality_kind, unproven)"
            " VALUES (31337, 'dev', false, 'finalized', 'receipts')"
        )
        assert run([*WORDS, " "]) == 2
        assert conn.execute("SELECT unproven FROM networks").fetchall() == [("receipts",)]
        capsys.readouterr()
        assert run([*WORDS, "it is listed"]) == 0
        assert json.loads(capsys.readouterr().out) == {"network": "eip155:31337", "was": "receipts"}
        assert conn.execute("SELECT unproven FROM networks").fetchall() == [(None,)]
        assert run([*WORDS, "it is listed"]) == 1
        assert "nothing has to be forgotten" in capsys.readouterr().err
