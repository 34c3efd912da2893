"""What an operation may do: one effect in one transaction, unless it is declared to be another kind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bascule.domain.errors import Rejected
from bascule.storage.database import Connection

if TYPE_CHECKING:
    from bascule.entrypoints.api.operation import Call

Effect = Callable[["Call[Any]", Connection], Awaitable[dict[str, Any]]]
Act = Callable[[Sequence["Call[Any]"], Connection], Awaitable[Sequence[dict[str, Any] | Rejected]]]


@dataclass(frozen=True, slots=True)
class Together:
    """An effect of many calls at once: of those that come while others are worked on.

    In one transaction, unless it only reads.
    act: for each, in order, its answer, or why it is refused; what is refused has written nothing.
    """

    act: Act


@dataclass(frozen=True, slots=True)
class Outside:
    """An effect on a node instead of our rows: no transaction is open while it acts."""

    act: Callable[[Call[Any]], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes to be read. sha256: of all of them; pieces: in order, read as the client takes them."""

    media_type: str
    name: str
    size: int
    sha256: bytes
    pieces: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Download:
    """An effect that finds bytes; the answer is those, not an object."""

    find: Callable[[Call[Any], Connection], Awaitable[Content]]


Allowed = Callable[[], Awaitable[bool]]  # whether the key that asked may still


@dataclass(frozen=True, slots=True)
class Stream:
    """An effect that goes on: Server-Sent Events, for as long as the key that asked for them may.

    follow: is told the client's Last-Event-ID; what it refuses, it refuses before its first piece.
    """

    follow: Callable[[Call[Any], str | None, Allowed], Awaitable[AsyncIterator[bytes]]]
