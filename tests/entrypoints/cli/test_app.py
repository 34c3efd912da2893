"""The command line: exit codes, one line what and one line what to do, nothing heavy before it is needed."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bascule.domain.errors import Halted, NotFound, Rejected, Retryable
from bascule.entrypoints.cli.app import run
from bascule.entrypoints.cli.place import config_file
from bascule.entrypoints.failures import CommandFailed, exit_code_of, next_step_of

COMMANDS = [
    *(
        "dev",
        "demo",
        "chain",
        "api",
        "watcher",
        "submitter",
        "signer",
        "worker",
        "migrate",
        "doctor",
        "explain",
    ),
    *(
        "reconcile",
        "verify-evidence",
        "pay",
        "approve",
        "keys",
        "merchants",
        "chains",
        "tokens",
        "contracts",
        "openapi",
        "docs",
    ),
]


HEAVY = ("web3", "eth_account", "eth_tester", "fastapi", "sqlalchemy", "psycopg", "aiohttp")


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No installation in the current folder, nothing configured."""
    monkeypatch.chdir(tmp_path)
    for name in ("BASCULE_CONFIG", "BASCULE_DATABASE_URL", "BASCULE_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0

    shown = capsys.readouterr().out
    assert [name for name in COMMANDS if f" {name} " not in shown] == []


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; from bascule.entrypoints.cli.app import run; run(['--help']);"
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "words", [["fly"], ["dev", "--port", "70000"], ["watcher"], ["explain"], ["keys", "create"]]
)
def test_words_nobody_understands_end_with_two(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    assert capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Rejected("x", "no"), 1),
        (NotFound("x", "no"), 1),
        (Halted("no"), 1),
        (Retryable("later"), 3),
        (CommandFailed("no", "yes", code=2), 2),
        (OSError("disk"), 1),
    ],
)
def test_each_reaction_has_its_exit_code(error: Exception, code: int) -> None:
    assert exit_code_of(error) == code
    assert next_step_of(error)


def test_bad_configuration_is_two_lines_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BASCULE_API_PORT", "eighty")

    assert run(["doctor"]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 2
    assert "BASCULE_API_PORT" in lines[0]
    assert "example: 8000" in lines[1]


def test_failure_for_programs_is_one_object(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BASCULE_API_PORT", "eighty")

    assert run(["doctor", "--json"]) == 1
    told = json.loads(capsys.readouterr().err)
    assert (told["event"], told["code"], told["next_step"]) == ("failed", 1, "example: 8000")


def test_missing_value_is_named_before_anything_is_tried(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate"]) == 1
    assert capsys.readouterr().err.startswith("bascule: BASCULE_DATABASE_URL is not set")


def test_customer_without_an_installation_is_told_where_to_look(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["pay", "pi_x"]) == 2
    assert "no development installation" in capsys.readouterr().err


def test_traceback_is_shown_with_debug_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BASCULE_API_PORT", "eighty")

    with pytest.raises(Rejected):
        run(["--debug", "doctor"])


def test_documents_are_written_where_asked(tmp_path: Path) -> None:
    assert run(["openapi", "--out", str(tmp_path / "openapi.json")]) == 0
    assert run(["docs", "--folder", str(tmp_path / "pages")]) == 0

    assert json.loads((tmp_path / "openapi.json").read_text())["openapi"] == "3.1.0"
    assert (tmp_path / "pages" / "states.md").read_text().startswith("# States")


@pytest.mark.parametrize("words", [["--debug", "explain", "xyz"], ["explain", "xyz", "--debug"]])
def test_debug_shows_the_error_wherever_it_stands(words: list[str]) -> None:
    with pytest.raises(Rejected, match="BASCULE_DATABASE_URL_WORKER is not set"):
        run(words)


def test_folder_named_by_the_environment_is_the_installation_for_every_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "bascule.toml").write_text("", encoding="utf-8")
    monkeypatch.setenv("BASCULE_DATA_DIR", str(folder))

    assert config_file() == folder / "bascule.toml"

    monkeypatch.setenv("BASCULE_DATABASE_URL", "postgresql://db.example/bascule")
    assert config_file() is None
