"""PostgreSQL 18 as a child process, with its own data folder, socket and passwords.

The server lives exactly as long as the process (and thread) that started it: the kernel ends it when its
parent dies, even by `kill -9`. Committed data survives that; the next start recovers it. Every connection
needs a password, and there is no TCP port.
"""

import ctypes
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import IO
from urllib.parse import quote

from bascule.domain.errors import Halted
from bascule.storage.embedded_programs import Account, account_for, find_programs

SUPERUSER = "postgres"
SOCKET_PATH_LIMIT = 107  # sun_path of unix(7) is 108 bytes with its final zero
START_SECONDS = 60.0
PR_SET_PDEATHSIG = 1  # linux/prctl.h

# What a server whose data nobody will miss can leave out (tests): about 3x faster.
VOLATILE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
}


@dataclass(frozen=True)
class ServerUrl:
    """Where a server listens and its superuser's password."""

    socket_dir: Path
    password: str

    def database(self, name: str, *, user: str = SUPERUSER, password: str | None = None) -> str:
        """The URL of one database on this server, by default as superuser."""
        secret = self.password if password is None else password
        login = f"{quote(user, safe='')}:{quote(secret, safe='')}"
        return f"postgresql://{login}@/{quote(name, safe='')}?host={quote(str(self.socket_dir), safe='')}"


class EmbeddedPostgres:
    """One embedded server on `data_dir`; a second start on the same folder is refused while this one runs.

    `volatile` gives up durability for speed (tests). `bin_dir` runs other programs than the embedded ones;
    `settings` are the server's own, by name, over ours.
    Start it from the main thread: the kernel ties the server's life to the thread that started it.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        volatile: bool = False,
        bin_dir: Path | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.cluster = self.data_dir / "cluster"
        self.log = self.data_dir / "server.log"
        self._password_file = self.data_dir / "superuser.password"
        self._volatile = volatile
        self._bin_dir = bin_dir
        self._settings = settings
        self._lock: IO[str] | None = None
        self._socket_dir: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> ServerUrl:
        """Returns when the server answers; the first time it makes the data. Halted says why it cannot."""
        self._take_lock()
        try:
            account = account_for(self.cluster)
            programs = find_programs(account, self._bin_dir)
            self._socket_dir = socket_dir = _socket_dir(self.data_dir, account)
            if not self.cluster.exists():
                self._initialise(programs, account)
            self._run(programs, account, socket_dir)
            return ServerUrl(socket_dir, self._password_file.read_text().strip())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the server, cleanly when durable, at once when volatile; nothing happens when none runs."""
        if self._process is not None:
            for number in (
                signal.SIGQUIT if self._volatile else signal.SIGINT,
                signal.SIGQUIT,
                signal.SIGKILL,
            ):
                if self._process.poll() is None:
                    self._process.send_signal(number)
                try:
                    self._process.wait(timeout=20)
                    break
                except subprocess.TimeoutExpired:
                    continue
            self._process = None
        if self._socket_dir is not None:
            with suppress(OSError):  # a killed server leaves its socket there; the next start uses both again
                self._socket_dir.rmdir()
            self._socket_dir = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def __enter__(self) -> ServerUrl:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _take_lock(self) -> None:
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o755)
            lock = (self.data_dir / "lock").open("w")
        except OSError as error:
            raise Halted(f"the data folder {self.data_dir} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise Halted(f"the data folder {self.data_dir} is in use by another process") from None
        self._lock = lock

    def _initialise(self, programs: Path, account: Account) -> None:
        """Makes the cluster beside its place and moves it there, so that half a cluster is never used."""
        fresh = self.data_dir / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        account.own(fresh)
        if not self._password_file.exists():
            _write_secret(self._password_file, secrets.token_urlsafe(32))
        command = [
            *(
                str(programs / "initdb"),
                "-D",
                self._spelling(fresh),
                "-U",
                SUPERUSER,
                "--no-locale",
                "-E",
                "UTF8",
            ),
            *("--auth=scram-sha-256", "--pwfile=/dev/stdin", *(["--no-sync"] if self._volatile else [])),
        ]
        # initdb opens its password file by name, which a pipe allows to the pipe's owner only
        readable, writable = os.pipe()
        if account.switch:
            os.fchown(readable, account.uid, account.gid)
        os.write(writable, self._password_file.read_bytes())
        os.close(writable)
        try:
            done = subprocess.run(  # noqa: S603
                command,
                cwd=fresh,
                stdin=readable,
                capture_output=True,
                check=False,
                **account.popen_arguments(),
            )
        finally:
            os.close(readable)
        if done.returncode != 0:
            raise Halted(f"initdb failed in {fresh}: {_last_line(done.stderr.decode(errors='replace'))}")
        fresh.rename(self.cluster)

    def _spelling(self, folder: Path) -> str:
        """How the programs, started inside `folder`, are told where it is.

        By /proc/self/cwd it is found even where its parents are closed to the account, as they are when root
        runs us in its own home. Programs before PostgreSQL 16 leave the folder meanwhile and need its name.
        """
        return "/proc/self/cwd" if self._bin_dir is None else str(folder)

    def _run(self, programs: Path, account: Account, socket_dir: Path) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(socket_dir),
            "unix_socket_permissions": "0700",
            "max_connections": "200",
            "password_encryption": "scram-sha-256",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **(VOLATILE if self._volatile else {}),
            **self._settings,
        }
        command = [str(programs / "postgres"), "-D", self._spelling(self.cluster)]
        command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            _remove_stale_pid_file(self.cluster)
            start_of_log = self.log.stat().st_size if self.log.exists() else 0
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603
                    command,
                    cwd=self.cluster,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,  # Ctrl-C in the terminal is for us; we stop the server last
                    preexec_fn=_die_with_parent(signal.SIGQUIT if self._volatile else signal.SIGINT),  # noqa: PLW1509
                    **account.popen_arguments(),
                )
            if self._wait_until_ready(deadline):
                return
            said = self.log.read_text(errors="replace")[start_of_log:]
            if "postmaster.pid" not in said and "shared memory block" not in said:
                raise Halted(f"PostgreSQL did not start: {_last_line(said, 'FATAL')} (see {self.log})")
            time.sleep(0.1)  # a predecessor, whose parent was killed, is still going down
        raise Halted(f"PostgreSQL was not ready within {START_SECONDS:.0f} s (see {self.log})")

    def _wait_until_ready(self, deadline: float) -> bool:
        """True when the server is ready, False when it ended instead."""
        assert self._process is not None
        pid_file = self.cluster / "postmaster.pid"
        while self._process.poll() is None and time.monotonic() < deadline:
            lines = pid_file.read_text().split("\n") if pid_file.exists() else []
            # lines of postmaster.pid: miscadmin.h, LOCK_FILE_LINE_PID = 1, LOCK_FILE_LINE_PM_STATUS = 8
            if len(lines) >= 8 and lines[0] == str(self._process.pid) and lines[7].strip() == "ready":
                return True
            time.sleep(0.005)
        return False


def sweep_abandoned(parent: Path, prefix: str) -> None:
    """Removes the data folders `parent/prefix…` whose owner is gone (killed test runs leave theirs)."""
    for folder in parent.glob(f"{prefix}*"):
        try:
            with (folder / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue  # in use, another user's, or not a data folder


def _socket_dir(data_dir: Path, account: Account) -> Path:
    """The folder of the socket: in the data folder, or where that is too long or closed, a short one."""
    inside = data_dir / "socket"
    if _fits(inside) and account.can_enter(data_dir):
        inside.mkdir(mode=0o700, exist_ok=True)
        account.own(inside)
        return inside
    name = sha256(f"{os.geteuid()}:{data_dir}".encode()).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"bascule-{name}"
    if not _fits(short):
        raise Halted(
            f"the socket path {short} is longer than {SOCKET_PATH_LIMIT} bytes; set TMPDIR to a shorter one"
        )
    short.mkdir(mode=0o700, exist_ok=True)
    if (
        short.is_symlink()
        or short.stat().st_uid not in {os.geteuid(), account.uid}
        or short.stat().st_mode & 0o077
    ):
        raise Halted(f"the socket folder {short} belongs to somebody else; remove it")
    account.own(short)
    return short


def _fits(folder: Path) -> bool:
    return len(os.fsencode(folder / ".s.PGSQL.5432.lock")) <= SOCKET_PATH_LIMIT


def _write_secret(path: Path, secret: str) -> None:
    """The file is there wholly or not at all: an empty one would be taken for the password for ever."""
    beside = path.with_name(path.name + ".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(secret + "\n")
    beside.rename(path)


def _remove_stale_pid_file(cluster: Path) -> None:
    """Removes a pid file whose number is now a foreign process (a restarted container counts from 1)."""
    pid_file = cluster / "postmaster.pid"
    if not pid_file.exists():
        return
    for process in Path("/proc").glob("[0-9]*/cwd"):
        try:
            if process.samefile(cluster):
                return  # a server or one of its children still works here: PostgreSQL's own check decides
        except OSError:
            continue
    pid_file.unlink(missing_ok=True)


def _die_with_parent(number: int) -> Callable[[], None]:
    """What the child does between fork and exec: it asks to be ended when its parent's thread ends."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    parent = os.getpid()

    def arrange() -> None:
        prctl(PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it died before the arrangement stood
            os._exit(1)

    return arrange


def _last_line(text: str, containing: str = "") -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    chosen = next(
        (line for line in reversed(lines) if containing in line), lines[-1] if lines else "it said nothing"
    )
    return (
        chosen.rpartition(": ")[2]
        if not containing
        else chosen.partition(containing)[2].lstrip(": ") or chosen
    )
