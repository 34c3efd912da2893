"""The chain on disk: one append-only file of changes, cut back to its last whole record when it is opened.

Layout: a magic line, then records of length (4 bytes), CRC-32 (4 bytes) and payload. The first record
describes the genesis; each later one is a `records.Change` in msgpack. A record is written with one call and
needs no fsync to survive the process: only a machine that loses power can lose the tail.
"""

import fcntl
import os
import struct
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bascule.entrypoints.devchain.errors import DataDirError
from bascule.entrypoints.devchain.journal import WAITING
from bascule.entrypoints.devchain.records import Change
from bascule.services.failpoints import NO_FAILPOINTS, Failpoints

MAGIC = b"bascule local chain 1\n"
BLOCKS = "chain.blocks"
_FRAME = struct.Struct(">II")


class Genesis(msgspec.Struct, array_like=True, frozen=True):
    """What block zero is made from."""

    chain_id: int
    time: int


class Store:
    """Keeps a chain's changes in `data_dir`, or nowhere if that is None. One process at a time."""

    def __init__(self, data_dir: Path | None, chain_id: int, failpoints: Failpoints = NO_FAILPOINTS) -> None:
        self._failpoints = failpoints
        self.genesis = Genesis(chain_id, int(time.time()))
        self._decoder = msgspec.msgpack.Decoder(Change)
        self._file: int | None = None
        if data_dir is None:
            return
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            path = data_dir / BLOCKS
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            reason = f"cannot store the chain in {data_dir}: {error.strerror}"
            raise DataDirError(reason, "name a data directory that can be written") from error
        try:
            self._take_over(path)
        except DataDirError:
            self.close()
            raise

    def _take_over(self, path: Path) -> None:
        assert self._file is not None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise _in_use(path) from error
        start = os.pread(self._file, len(MAGIC), 0)
        if not start or (MAGIC.startswith(start) and len(start) < len(MAGIC)):
            self._start_over()
        elif start != MAGIC:
            raise DataDirError(
                f"{path} is no stored chain of this version", "move it away to start a new one"
            )
        else:
            self._read_genesis(path)

    def _start_over(self) -> None:
        assert self._file is not None
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        payload = msgspec.msgpack.encode(self.genesis)
        os.write(self._file, MAGIC + _frame(payload))

    def _read_genesis(self, path: Path) -> None:
        payload = next(self._payloads(), None)
        if payload is None:
            self._start_over()
            return
        stored = msgspec.msgpack.decode(payload, type=Genesis)
        if stored.chain_id != self.genesis.chain_id:
            raise DataDirError(
                f"{path} holds chain {stored.chain_id}, not {self.genesis.chain_id}",
                "name another data directory",
            )
        self.genesis = stored

    def _payloads(self) -> Iterator[bytes]:
        """Yields whole records and leaves the file cut off, and positioned, behind the last of them."""
        assert self._file is not None
        size = os.fstat(self._file).st_size
        offset = len(MAGIC)
        while offset + _FRAME.size <= size:
            length, checksum = _FRAME.unpack(os.pread(self._file, _FRAME.size, offset))
            payload = os.pread(self._file, length, offset + _FRAME.size)
            if len(payload) < length or zlib.crc32(payload) != checksum:
                break
            yield payload
            offset += _FRAME.size + length
        os.ftruncate(self._file, offset)
        os.lseek(self._file, offset, os.SEEK_SET)

    def changes(self) -> Iterator[Change]:
        """Yields the stored changes in order; a torn or damaged tail is removed from the file for good."""
        if self._file is None:
            return
        payloads = self._payloads()
        next(payloads, None)
        for payload in payloads:
            yield self._decoder.decode(payload)

    def append(self, change: Change) -> None:
        """Adds a change; once this returns, a killed process finds it again. Call after `changes` is read.

        Raises DataDirError when the disk takes no more; the file is then as it was.
        """
        if self._file is None:
            return
        end = os.lseek(self._file, 0, os.SEEK_CUR)
        frame = _frame(msgspec.msgpack.encode(change))
        self._failpoints.hit("chain.before_append")
        try:
            written = os.write(self._file, frame)
        except OSError:
            written = 0
        if written != len(frame):
            os.ftruncate(self._file, end)
            os.lseek(self._file, end, os.SEEK_SET)
            raise DataDirError("the local chain cannot store its next block", "make room on the disk")
        self._failpoints.hit("chain.after_append")

    def close(self) -> None:
        """Gives the data directory free."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def discard(data_dir: Path) -> None:
    """Forgets the chain stored in `data_dir`, if there is one. Raises: DataDirError while it is in use."""
    blocks = data_dir / BLOCKS
    if not blocks.exists():
        return
    try:
        with blocks.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (data_dir / WAITING).unlink(missing_ok=True)
            blocks.unlink()
    except BlockingIOError:
        raise _in_use(blocks) from None
    except OSError as error:
        reason = f"cannot remove the chain in {data_dir}: {error.strerror}"
        raise DataDirError(reason, "name a data directory that can be written") from error


def _in_use(path: Path) -> DataDirError:
    return DataDirError(f"{path} is in use by another local chain", "stop that one first")


def _frame(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload
