"""Files of a report, written line by line into a folder: what is in memory does not grow with the report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

from bascule.domain.report import Column, Format, Kind, ReportType

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

MEDIA_TYPES = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.JSONL: "application/jsonl",
    Format.PARQUET: "application/vnd.apache.parquet",
}


@dataclass(frozen=True, slots=True)
class MadeFile:
    """A finished file. path: below the report's folder, with slashes; size: bytes; sha256: of them."""

    path: str
    size: int
    rows: int
    sha256: bytes


class Writer(Protocol):
    """Takes a report's lines, in order, and makes files of them."""

    def write(self, block: bytes, rows: int) -> None: ...

    def finish(self) -> list[MadeFile]: ...

    def close(self) -> None: ...


def writer(type: ReportType, format: Format, folder: Path) -> Writer:
    """What writes such a report into a folder."""
    if format is Format.PARQUET:
        return Months(type, folder)
    head = _line(column.name for column in type.columns) if format is Format.CSV else b""
    return Lines(folder / f"{type.name}.{format}", head)


@dataclass
class Lines:
    """One file of text, as it comes."""

    path: Path
    head: bytes
    _rows: int = 0
    _size: int = 0
    _digest: Any = field(default_factory=sha256)
    _opened: BinaryIO = field(init=False)

    def __post_init__(self) -> None:
        self._opened = self.path.open("wb")
        self._put(self.head)

    def write(self, block: bytes, rows: int) -> None:
        """Whole lines."""
        self._rows += rows
        self._put(block)

    def finish(self) -> list[MadeFile]:
        """The file, closed."""
        self.close()
        return [MadeFile(self.path.name, self._size, self._rows, self._digest.digest())]

    def close(self) -> None:
        """Also where it was not finished."""
        self._opened.close()

    def _put(self, block: bytes) -> None:
        self._opened.write(block)
        self._digest.update(block)
        self._size += len(block)


class Months:
    """Parquet files by month of the first time a row has, as engines of a lake read them: `month=2026-11/…`.

    Amounts are decimal128(38, 18), times are UTC; a row without a time is in `month=none`.
    """

    def __init__(self, type: ReportType, folder: Path) -> None:
        self._type = type
        self._folder = folder
        self._open: dict[str, Any] = {}
        self._schema = schema(type.columns)
        self._time = next((column.name for column in type.columns if column.kind is Kind.TIME), None)

    def write(self, block: bytes, rows: int) -> None:
        """Lines of CSV without a head."""
        import pyarrow.compute as pc  # type: ignore[import-untyped]
        from pyarrow import csv

        table = csv.read_csv(
            BytesIO(block),
            csv.ReadOptions(column_names=self._schema.names),
            csv.ParseOptions(newlines_in_values=True),
            csv.ConvertOptions(
                column_types=self._schema, strings_can_be_null=True, quoted_strings_can_be_null=False
            ),
        )
        if self._time is None:
            self._writer("none").write_table(table)
            return
        months = pc.strftime(table[self._time], "%Y-%m").fill_null("none")
        for month in sorted(pc.unique(months).to_pylist()):
            self._writer(month).write_table(table.filter(pc.equal(months, month)))

    def finish(self) -> list[MadeFile]:
        """The files, closed; without any row one that only names the columns."""
        if not self._open:
            self._writer("none")
        self.close()
        return [self._made(month) for month in sorted(self._open)]

    def close(self) -> None:
        """Also where they were not finished."""
        for each in self._open.values():
            each.close()

    def _writer(self, month: str) -> Any:
        from pyarrow import parquet

        if month not in self._open:
            (self._folder / self._path(month)).parent.mkdir()
            self._open[month] = parquet.ParquetWriter(
                self._folder / self._path(month), self._schema, compression="zstd"
            )
        return self._open[month]

    def _path(self, month: str) -> str:
        return f"month={month}/{self._type.name}.parquet"

    def _made(self, month: str) -> MadeFile:
        from pyarrow import parquet

        path = self._folder / self._path(month)
        with path.open("rb") as opened:
            digest = sha256()
            while block := opened.read(1 << 20):
                digest.update(block)
        return MadeFile(
            self._path(month), path.stat().st_size, parquet.read_metadata(path).num_rows, digest.digest()
        )


def schema(columns: Iterable[Column]) -> pa.Schema:
    """The columns as Parquet types them."""
    import pyarrow as pa

    types = {
        Kind.TEXT: pa.string(),
        Kind.WHOLE: pa.int64(),
        Kind.AMOUNT: pa.decimal128(38, 18),
        Kind.TIME: pa.timestamp("s", tz="UTC"),
    }
    return pa.schema([(column.name, types[column.kind]) for column in columns])


def _line(names: Iterable[str]) -> bytes:
    return (",".join(names) + "\n").encode()
