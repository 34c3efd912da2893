"""The data folder of a development installation: what is ours in it, its secrets, its configuration file.

Everything secret is made once, at the first start, and kept in files only their owner can read.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from bascule.domain.errors import Rejected
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints
from bascule.storage.roles import ROLES

MARKER = "bascule-dev.json"
CONFIG = "bascule.toml"
# sun_path of unix(7) is 108 bytes with its final zero.
SOCKET_PATH_LIMIT = 107
APPROVERS = 3


class FolderRefused(Rejected):
    """The data folder is not ours to use, or somebody uses it."""

    def __init__(self, message: str, next_step: str) -> None:
        super().__init__("data_dir_refused", message, param="data_dir", next_step=next_step)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What must never be guessed. passwords: of the database logins, by role; keys in 0x-hex."""

    passwords: Mapping[str, str]
    api_pepper: str
    deposit_seed: str
    keystore_password: str
    lane_key: str
    sweeper_key: str
    gas_key: str
    anchor_key: str
    x402_key: str
    approver_keys: tuple[str, ...]

    @classmethod
    def fresh(cls) -> Secrets:
        """All of them new."""
        return cls(
            passwords={role: secrets.token_urlsafe(24) for role in ROLES},
            api_pepper=secrets.token_hex(32),
            deposit_seed=secrets.token_hex(32),
            keystore_password=secrets.token_urlsafe(24),
            lane_key="0x" + secrets.token_hex(32),
            sweeper_key="0x" + secrets.token_hex(32),
            gas_key="0x" + secrets.token_hex(32),
            anchor_key="0x" + secrets.token_hex(32),
            x402_key="0x" + secrets.token_hex(32),
            approver_keys=tuple("0x" + secrets.token_hex(32) for _ in range(APPROVERS)),
        )


class Installation:
    """One data folder, held by one supervisor at a time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.failpoints: Failpoints = NO_FAILPOINTS
        self.logs = self.folder / "logs"
        self.postgres = self.folder / "postgres"
        self.chain = self.folder / "chain"
        self.keystores = self.folder / "lanes"  # one key for each wallet of a lane
        self.sweeper_keystore = self.folder / "sweeper.json"
        self.canceller_keystore = self.folder / "canceller.json"
        self.config = self.folder / CONFIG
        self._lock: IO[str] | None = None

    def open(self, *, fresh: bool = False) -> None:
        """Takes the folder, made when missing, emptied first when `fresh`. Raises: FolderRefused."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o755)
            found = {path.name for path in self.folder.iterdir()}
        except OSError as error:
            raise FolderRefused(
                f"the data folder {self.folder} cannot be used: {error.strerror}",
                "name another by --data-dir",
            ) from None
        if found and MARKER not in found:
            raise FolderRefused(
                f"{self.folder} holds files that bascule did not make", "name an empty folder by --data-dir"
            )
        self._lock = (self.folder / MARKER).open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise FolderRefused(
                f"another bascule runs on {self.folder}", "stop it, or name another folder by --data-dir"
            ) from None
        if fresh:
            self._wipe()
        self.logs.mkdir(exist_ok=True)
        self.keystores.mkdir(exist_ok=True, mode=0o700)

    def close(self) -> None:
        """Lets the folder go, and the socket's own folder when nothing is left in it."""
        with suppress(OSError):
            self._short_folder().rmdir()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _wipe(self) -> None:
        for path in self.folder.iterdir():
            if path.name != MARKER:
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def secrets(self) -> Secrets:
        """The installation's secrets, made at the first call and the same for ever after."""
        path = self.folder / "secrets.json"
        if not path.exists():
            self.write(path, json.dumps(_plain(Secrets.fresh()), indent=1))
        given = json.loads(path.read_text(encoding="utf-8"))
        missing = [name for name in ("sweeper_key", "gas_key", "anchor_key", "x402_key") if name not in given]
        if missing:  # an installation from before there was such a wallet
            given |= {name: "0x" + secrets.token_hex(32) for name in missing}
            self.write(path, json.dumps(given, indent=1))
        return Secrets(**{**given, "approver_keys": tuple(given["approver_keys"])})

    def write(self, path: Path, text: str) -> None:
        """Writes a whole private file: after a crash it is the old one or the new one."""
        self.failpoints.hit("setup.before_write")
        write_private(path, text)
        self.failpoints.hit("setup.after_write")

    def remember(self, name: str, value: Any) -> Any:
        """`value` the first time `name` is asked for, and that same value at every later start."""
        path = self.folder / f"{name}.json"
        if not path.exists():
            self.write(path, json.dumps(value))
        return json.loads(path.read_text(encoding="utf-8"))

    def recall(self, name: str) -> Any:
        """What was remembered under `name`; None when nothing was."""
        with suppress(FileNotFoundError):
            return json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
        return None

    def socket(self) -> Path:
        """The signer's socket: in the folder, or in a private temporary one when that path is too long."""
        path = self.folder / "signer.sock"
        if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
            return path
        short = self._short_folder()
        short.mkdir(mode=0o700, exist_ok=True)
        if short.stat().st_uid != os.getuid():
            raise FolderRefused(
                f"{short} belongs to somebody else", "name a folder with a shorter path by --data-dir"
            )
        return short / "signer.sock"

    def _short_folder(self) -> Path:
        name = f"bascule-{os.getuid()}-{sha256(os.fsencode(self.folder)).hexdigest()[:16]}"
        return Path(tempfile.gettempdir()) / name


def write_private(path: Path, text: str) -> None:
    """Writes a whole file that only its owner can read: after a crash it is the old one or the new one."""
    beside = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        beside.unlink()
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)


def toml(values: Mapping[str, Any]) -> str:
    """A TOML text of plain values and of lists of tables (as JSON text is, for what we write)."""
    plain = [f"{key} = {_toml_value(value)}" for key, value in values.items() if not _is_tables(value)]
    tables = [
        "\n".join([f"[[{key}]]", *(f"{name} = {_toml_value(item)}" for name, item in table.items())])
        for key, value in values.items()
        if _is_tables(value)
        for table in value
    ]
    return "\n\n".join(["\n".join(plain), *tables]) + "\n"


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml_value(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    return json.dumps(value)


def _plain(given: Secrets) -> dict[str, Any]:
    return {name: getattr(given, name) for name in Secrets.__slots__}
