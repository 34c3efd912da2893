"""What processes remember of the database apart from it: how far they saw its log.

A file in `BASCULE_STATE_FOLDER`, one for all processes of a machine, so that older files of the database that
were put back while no process ran are noticed by the next one.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bascule.domain.errors import Halted, Retryable
from bascule.services.restore import LogSeen
from bascule.storage.address_epochs import Epoch

NAME = "database-log.json"
EVERY_S = 1.0  # what was written since the file was may be lost unnoticed; each time costs an fsync


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file. flushed: bytes of the server's log that were on disk; epoch: of deposit addresses then."""

    server: str
    flushed: int
    epoch: int


@dataclass
class Keeper:
    """Writes what a process sees, at most once a second. Raises: Retryable when that is impossible."""

    path: Path
    kept_at: float = float("-inf")

    def __call__(self, epoch: Epoch) -> None:
        if time.monotonic() - self.kept_at < EVERY_S:
            return
        line = msgspec.json.encode(Seen(epoch.server, epoch.flushed, epoch.epoch))
        try:
            _write(self.path, line)
        except OSError as error:
            raise Retryable(f"{self.path}: cannot write how far the database was seen: {error}") from None
        self.kept_at = time.monotonic()


def _write(path: Path, line: bytes) -> None:
    """The file is the new one or the old one, whatever dies; of a write that fails nothing is left."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as new:
        try:
            new.write(line)
            new.flush()
            os.fchmod(new.fileno(), 0o644)  # processes may run under accounts of their own
            os.fsync(new.fileno())
            os.replace(new.name, path)
        except OSError:
            os.unlink(new.name)
            raise


def log_seen(folder: Path | None, *, keeps: bool = True) -> LogSeen:
    """What was seen before, as far as it was kept; without a folder nothing is.

    keeps: what is seen from now on is kept too. Raises: Halted when the file is not one of ours.
    """
    if folder is None:
        return LogSeen()
    path = folder / NAME
    seen = LogSeen()
    try:
        before = msgspec.json.decode(path.read_bytes(), type=Seen)
        seen = LogSeen(before.server, before.flushed, before.epoch)
    except FileNotFoundError:
        pass
    except (OSError, msgspec.MsgspecError) as error:
        raise Halted(
            f"{path}: cannot read how far the database was seen: {error};"
            " remove the file where no backup was put back, else run `bascule restore check --restored` first"
        ) from None
    if keeps:
        seen.keep = Keeper(path)
    return seen
