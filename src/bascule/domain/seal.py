"""Seals: a digest of everything written so far, which anybody can compute again from an export.

A leaf is a row's whole content. A seal has the Merkle root of the leaves of a stretch of rows, and the hash
of the seal before it. So the hash of the newest seal, the head, stands for all that was ever sealed: whoever
has kept a head outside the database can tell any later change of what lies before it, whoever made that.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from bascule.domain import anchor
from bascule.domain.anchor import Sent

LEAF, NODE = b"\x00", b"\x01"  # a row is never taken for an inner node (RFC 6962 §2.1)
STREAMS = ("ledger", "audit", "payouts")
_DIGEST = re.compile("[0-9a-f]{64}")
Line = Mapping[str, Any]


@dataclass(frozen=True)
class Seal:
    """One seal. rows: (stream, id, leaf as hex) in order; previous: the hash before it, empty for none."""

    number: int
    previous: str
    sealed_at: str
    rows: tuple[tuple[str, int, str], ...]
    root: str

    @property
    def hash(self) -> str:
        """What the next seal builds upon; hex."""
        content = (self.number, self.previous, self.sealed_at, [list(row) for row in self.rows], self.root)
        return sha256(canonical(content)).hexdigest()


@dataclass(frozen=True)
class Checked:
    """What an export proves. wrong: the first row or seal that is not as it was sealed, if there is one.

    head: the newest seal's hash. kept: the seal whose hash was kept elsewhere, 0 for none: up to it history
    is as it was then. sent: what anchors' wallets are said to have sent; only the chain can tell.
    """

    seals: int
    rows: int
    head: str
    kept: int
    wrong: str | None
    sent: tuple[Sent, ...] = ()


class Damaged(ValueError):
    """Not an export, or only the beginning of one."""


def canonical(content: object) -> bytes:
    """The one text of a JSON value: sorted keys, no spaces, UTF-8."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def leaf(row: Line) -> str:
    """The leaf of a row, over all it says; hex."""
    return sha256(LEAF + canonical(row)).hexdigest()


def root(leaves: Sequence[str]) -> str:
    """The Merkle root of at least one leaf; a node without a sibling rises as it is. Hex."""
    level = [bytes.fromhex(each) for each in leaves]
    while len(level) > 1:
        pairs = [sha256(NODE + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0].hex()


def seal(previous: Seal | None, rows: Sequence[tuple[str, int, Line]], sealed_at: str) -> Seal:
    """The next seal, over these rows."""
    number, hash_before = (1, "") if previous is None else (previous.number + 1, previous.hash)
    leaves = tuple((stream, row_id, leaf(row)) for stream, row_id, row in rows)
    return Seal(number, hash_before, sealed_at, leaves, root([each[2] for each in leaves]))


def exported(one: Seal, rows: Sequence[tuple[str, int, Line]]) -> Iterator[dict[str, Any]]:
    """A seal as lines of an export: itself, then the rows of its stretch as they are now."""
    yield {
        "seal": one.number,
        "previous": one.previous,
        "sealed_at": one.sealed_at,
        "rows": one.rows,
        "root": one.root,
    }
    for stream, row_id, row in rows:
        yield {"stream": stream, "id": row_id, "row": row}


def check(lines: Iterable[Line], head: str | None = None) -> Checked:
    """Every seal and row of an export against each other, and one of the seals against a head kept elsewhere.

    lines: what anchors' wallets sent, those of `exported`, seal by seal, and {"end": how many seals} last.
    Raises: Damaged.
    """
    previous: Seal | None = None
    stretch: list[tuple[str, int, str]] = []
    seals = rows = kept = 0
    wanted = None if head is None else head.removeprefix("0x").lower()
    wrong: str | None = None
    end: int | None = None
    sent: list[Sent] = []
    for line in lines:
        if end is not None:
            raise Damaged("something stands behind the export's end")
        if "anchor" in line:
            sent.append(_sent(line, previous))
            continue
        if "row" in line:
            if previous is None:
                raise Damaged("a row stands before the first seal")
            stretch.append(_row(line))
            rows += 1
            continue
        wrong = wrong or (_wrong_row(previous, stretch) if previous else None)
        if "end" in line:
            end = line["end"]
            continue
        one = _read(line)
        wrong = wrong or _wrong_seal(previous, one) or _wrong_head(sent, one)
        previous, stretch, seals = one, [], seals + 1
        kept = seals if one.hash == wanted else kept
    if end is None or end != seals:
        raise Damaged("the export has no end: it was cut off")
    if wrong is None and wanted is not None and not kept:
        wrong = "no seal has the head that was kept: history was written anew, or its end is missing"
    wrong = wrong or _missing_seal(sent, seals)
    return Checked(seals, rows, previous.hash if previous else "", kept, wrong, tuple(sent))


def _wrong_row(one: Seal, stretch: Sequence[tuple[str, int, str]]) -> str | None:
    sealed = {(stream, row_id): digest for stream, row_id, digest in one.rows}
    found = {(stream, row_id): digest for stream, row_id, digest in stretch}
    for stream, row_id in sorted({*sealed, *found}):
        was, now = sealed.get((stream, row_id)), found.get((stream, row_id))
        if was != now:
            how = "removed" if now is None else "added" if was is None else "changed"
            return f"{stream} row {row_id} was {how} after seal {one.number} was made"
    if tuple(stretch) != one.rows:
        return f"the rows of seal {one.number} stand in another order, or one stands twice"
    return None


def _wrong_seal(previous: Seal | None, one: Seal) -> str | None:
    expected = (1, "") if previous is None else (previous.number + 1, previous.hash)
    if (one.number, one.previous) != expected:
        return f"seal {one.number} does not follow the one before it"
    if one.root != root([each[2] for each in one.rows]):
        return f"seal {one.number} has another root than its rows"
    return None


def _wrong_head(sent: Sequence[Sent], one: Seal) -> str | None:
    for each in sent:
        if each.says is not None and each.says.seal == one.number and each.says.head != one.hash:
            before = max((s.says.seal for s in sent if s.says and s.says.seal < one.number), default=0)
            found = f"seal {one.number} is not what 0x{each.tx_hash.hex()} anchored"
            return f"{found}: history was rewritten after seal {before}"
    return None


def _missing_seal(sent: Sequence[Sent], seals: int) -> str | None:
    for each in sent:
        if each.says is not None and each.says.seal > seals:
            return f"seal {each.says.seal}, which 0x{each.tx_hash.hex()} anchored, is missing"
    return None


def _sent(line: Line, previous: Seal | None) -> Sent:
    if previous is not None:
        raise Damaged("an anchor stands behind a seal")
    try:
        return anchor.of_line(line)
    except ValueError as error:
        raise Damaged(str(error)) from None


def _read(line: Line) -> Seal:
    try:
        rows = tuple((str(stream), int(row_id), str(digest)) for stream, row_id, digest in line["rows"])
        one = Seal(int(line["seal"]), str(line["previous"]), str(line["sealed_at"]), rows, str(line["root"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Damaged(f"a line is neither a seal nor a row: {error!r}") from None
    if len(line) != 5:
        raise Damaged(f"seal {one.number} says more than a seal does")
    if not rows:
        raise Damaged(f"seal {one.number} is of nothing")
    if not all(_DIGEST.fullmatch(digest) for _, _, digest in rows):
        raise Damaged(f"seal {one.number} has a leaf that is no digest")
    return one


def _row(line: Line) -> tuple[str, int, str]:
    """A row's place and its leaf as it is now. What no leaf is over is no part of an export."""
    if line.keys() != {"stream", "id", "row"} or type(line["id"]) is not int:
        raise Damaged("a row is not written as `stream`, `id` and `row`")
    return str(line["stream"]), line["id"], leaf(line["row"])
