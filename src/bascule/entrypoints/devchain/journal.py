"""Waiting transactions on disk, so that a restart finds them again."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

WAITING = "chain.waiting"
log = logging.getLogger(__name__)


class Journal:
    """One signed transaction a line, as hex, in `data_dir`; nowhere if that is None.

    A signature guards each line better than a checksum would, so a torn or damaged one is simply no
    transaction. A disk that takes no more costs the promise, not the chain: it is logged.
    """

    def __init__(self, data_dir: Path | None) -> None:
        self._path = data_dir / WAITING if data_dir else None
        self.entries = 0

    def read(self) -> list[bytes]:
        """Returns the stored lines that are hex, in order."""
        if self._path is None or not self._path.exists():
            return []
        raws = []
        for line in self._path.read_text(encoding="ascii", errors="replace").splitlines():
            try:
                raws.append(bytes.fromhex(line))
            except ValueError:
                log.warning("%s: a line that is no transaction is left out", self._path)
        return raws

    def append(self, raws: Sequence[bytes]) -> None:
        """Adds transactions; a process that is killed afterwards finds them again."""
        if self._path is not None:
            self._write(self._path, raws, "a")
            self.entries += len(raws)

    def replace(self, raws: Sequence[bytes]) -> None:
        """Makes these the only ones, in one step."""
        if self._path is not None:
            new = self._path.with_suffix(".new")
            if self._write(new, raws, "w"):
                os.replace(new, self._path)
                self.entries = len(raws)

    def _write(self, path: Path, raws: Sequence[bytes], mode: str) -> bool:
        try:
            with path.open(mode, encoding="ascii") as file:
                file.write("".join(raw.hex() + "\n" for raw in raws))
        except OSError as error:
            log.warning("%s cannot be written: %s", path, error.strerror)
            return False
        return True
