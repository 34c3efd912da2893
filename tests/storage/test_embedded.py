import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from bascule.domain.errors import Halted
from bascule.entrypoints.testing.postgres import fast_folder
from bascule.storage.embedded import EmbeddedPostgres, ServerUrl, sweep_abandoned


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="bascule-embedded-", dir=fast_folder()) as name:
        yield Path(name)


def ask(url: str, statement: str) -> object:
    with psycopg.connect(url, autocommit=True) as conn:
        row = conn.execute(statement.encode()).fetchone()
        return row[0] if row else None


def run(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(statement.encode())


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
            return
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()


def test_data_survives_a_stop_and_a_start(folder: Path) -> None:
    with EmbeddedPostgres(folder) as url:
        run(url.database("postgres"), "CREATE TABLE kept AS SELECT 7 AS n")

    with EmbeddedPostgres(folder) as again:
        assert ask(again.database("postgres"), "SELECT n FROM kept") == 7
    assert again == url


def test_server_is_durable_unless_told_otherwise(folder: Path) -> None:
    with EmbeddedPostgres(folder / "durable") as url:
        assert ask(url.database("postgres"), "SHOW fsync") == "on"
        assert ask(url.database("postgres"), "SHOW synchronous_commit") == "on"
        assert ask(url.database("postgres"), "SHOW full_page_writes") == "on"

    with EmbeddedPostgres(folder / "volatile", volatile=True) as url:
        assert ask(url.database("postgres"), "SHOW fsync") == "off"


def test_committed_data_survives_a_killed_server(folder: Path) -> None:
    server = EmbeddedPostgres(folder)
    url = server.start()
    run(url.database("postgres"), "CREATE TABLE kept AS SELECT 7 AS n")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    assert (folder / "cluster" / "postmaster.pid").exists()

    with EmbeddedPostgres(folder) as again:
        assert ask(again.database("postgres"), "SELECT n FROM kept") == 7


def test_pid_file_that_names_a_foreign_process_does_not_stop_the_start(folder: Path) -> None:
    server = EmbeddedPostgres(folder, volatile=True)
    server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    bystander = subprocess.Popen(["sleep", "60"], user=(folder / "cluster").stat().st_uid)
    pid_file = folder / "cluster" / "postmaster.pid"
    lines = pid_file.read_text().split("\n")
    pid_file.write_text("\n".join([str(bystander.pid), *lines[1:]]))

    with EmbeddedPostgres(folder, volatile=True) as url:
        assert ask(url.database("postgres"), "SELECT 1") == 1
    bystander.kill()
    bystander.wait()


def test_server_ends_with_its_killed_parent_and_starts_again(folder: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from bascule.storage.embedded import EmbeddedPostgres;"
        "s = EmbeddedPostgres(Path(sys.argv[1])); s.start(); print(s.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(folder)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()

    with EmbeddedPostgres(folder) as url:
        assert ask(url.database("postgres"), "SELECT 1") == 1
    wait_until_gone(pid)


def test_no_connection_is_let_in_without_the_right_password(folder: Path) -> None:
    with EmbeddedPostgres(folder, volatile=True) as url:
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(ServerUrl(url.socket_dir, "wrong").database("postgres"))
        with pytest.raises(psycopg.OperationalError, match="no password supplied"):
            psycopg.connect(f"postgresql://postgres@/postgres?host={url.socket_dir}")
        rules = ask(url.database("postgres"), "SELECT array_agg(DISTINCT auth_method) FROM pg_hba_file_rules")

    assert rules == ["scram-sha-256"]
    assert (folder / "superuser.password").stat().st_mode & 0o777 == 0o600


def test_server_listens_on_no_tcp_port(folder: Path) -> None:
    with EmbeddedPostgres(folder, volatile=True) as url:
        assert ask(url.database("postgres"), "SHOW listen_addresses") == ""


def test_second_server_on_the_same_folder_is_refused(folder: Path) -> None:
    with EmbeddedPostgres(folder, volatile=True), pytest.raises(Halted, match="in use by another process"):
        EmbeddedPostgres(folder, volatile=True).start()


def test_long_data_path_gets_a_short_socket_path(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)

    with EmbeddedPostgres(deep, volatile=True) as url:
        assert len(str(url.socket_dir)) < 90
        assert ask(url.database("postgres"), "SELECT 1") == 1
    assert not url.socket_dir.exists()


def test_socket_path_that_cannot_be_short_is_one_clear_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = folder / ("t" * 90)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))

    with pytest.raises(Halted, match=r"longer than 107 bytes; set TMPDIR"):
        EmbeddedPostgres(long / "data", volatile=True).start()


def test_folder_closed_to_others_still_works(folder: Path) -> None:
    home = folder / "home"
    home.mkdir(mode=0o700)

    with EmbeddedPostgres(home / "data", volatile=True) as url:
        assert ask(url.database("postgres"), "SELECT 1") == 1
    with EmbeddedPostgres(home / "data", volatile=True) as url:
        assert ask(url.database("postgres"), "SELECT 1") == 1


def test_half_initialised_folder_is_initialised_anew(folder: Path) -> None:
    (folder / "cluster.new" / "base").mkdir(parents=True)

    with EmbeddedPostgres(folder, volatile=True) as url:
        assert ask(url.database("postgres"), "SELECT 1") == 1


KILLED_BEFORE_THE_END = """
import os, signal, sys
from pathlib import Path
from bascule.storage.embedded import _write_secret
os.rename = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Path.rename = os.rename
_write_secret(Path(sys.argv[1]), "half")
"""


def test_password_whose_writer_was_killed_is_made_anew(folder: Path) -> None:
    password = folder / "superuser.password"
    done = subprocess.run([sys.executable, "-c", KILLED_BEFORE_THE_END, str(password)], check=False)

    assert (done.returncode, password.exists()) == (-9, False)
    with EmbeddedPostgres(folder, volatile=True) as url:
        assert ask(url.database("postgres"), "SELECT 1") == 1


def test_refusal_to_start_names_the_cause(folder: Path) -> None:
    with EmbeddedPostgres(folder, volatile=True):
        pass
    (folder / "cluster" / "postgresql.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(Halted, match=r"configuration file .* contains errors"):
        EmbeddedPostgres(folder, volatile=True).start()


def test_sweep_removes_folders_of_dead_servers_only(folder: Path) -> None:
    folder.chmod(0o755)
    (folder / "sweep-dead").mkdir()
    (folder / "sweep-dead" / "lock").touch()
    (folder / "sweep-else").mkdir()
    with EmbeddedPostgres(folder / "sweep-live", volatile=True):
        sweep_abandoned(folder, "sweep-")

        assert sorted(path.name for path in folder.glob("sweep-*")) == ["sweep-else", "sweep-live"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to hand the server to another account")
def test_programs_out_of_reach_are_copied_out_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bascule.storage import embedded_programs

    nobody = embedded_programs.account_for(folder / "none")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    folder.chmod(0o755)
    closed = embedded_programs.Account(nobody.uid, nobody.gid, switch=True)
    monkeypatch.setattr(embedded_programs.Account, "can_enter", lambda self, path: False)

    programs = embedded_programs.find_programs(closed)
    version = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True)

    assert programs.is_relative_to(folder)
    assert version.stdout.startswith("postgres (PostgreSQL) 18")
    assert embedded_programs.find_programs(closed) == programs
