"""/v1/events/stream: events as they get their numbers, by Server-Sent Events.

Each event of the key's account and mode comes once, in the order of its number, from the number after the one
the client names; so a client that reconnects with `Last-Event-ID` misses nothing and hears nothing twice.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from bascule.domain.errors import Conflict, Rejected
from bascule.entrypoints.api.effects import Allowed, Stream
from bascule.entrypoints.api.operation import Call, Operation
from bascule.entrypoints.api.params import EventStream
from bascule.storage import events
from bascule.storage.events import Event

AT_ONCE = 100
PAUSE_S = 2.0  # polling; a NOTIFY makes it quick
SILENT_ROUNDS = 5  # of pauses, then a comment: proxies close what says nothing
LONGEST_S = 3_600.0  # then the client connects anew, perhaps to another process
STREAMS = 20  # of an account and mode at once in one process; N processes follow N times as many


async def follow(
    call: Call[EventStream], last_event_id: str | None, allowed: Allowed
) -> AsyncIterator[bytes]:
    """What happens from now on, or after an event; ends with the key. Raises: Rejected, Conflict."""
    pieces = _pieces(call, last_event_id, allowed)
    return _all(await anext(pieces), pieces)  # its first piece, so that what is refused is refused at once


async def _all(first: bytes, others: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(others):
        yield first
        async for piece in others:
            yield piece


async def _pieces(
    call: Call[EventStream], last_event_id: str | None, allowed: Allowed
) -> AsyncGenerator[bytes]:
    account, deps = (call.account_id, call.livemode), call.deps
    if deps.streams[account] >= STREAMS:
        raise Conflict("too_many_streams", f"The account follows {STREAMS} streams already.")
    until = deps.clock.now().timestamp() + LONGEST_S
    deps.streams[account] += 1  # nothing is awaited between the look and this: who asks meanwhile is counted
    try:
        after = _number(last_event_id)
        if after is None:
            after = call.params.after_sequence
        if after is None:
            async with deps.db.read() as conn:
                after = await events.last_of(conn, *account)
        wanted, silent = None if call.params.types is None else frozenset(call.params.types), 0
        yield b"retry: 1000\n\n"
        while deps.clock.now().timestamp() < until and await allowed():
            async with deps.db.read() as conn:
                found = await events.after(conn, *account, after, AT_ONCE)
            told = b"".join(_told(event) for event in found if wanted is None or event.type in wanted)
            after, silent = (found[-1].account_sequence if found else after), 0 if told else silent + 1
            if told:
                yield told
            elif silent >= SILENT_ROUNDS:
                silent = 0
                yield b": still here\n\n"
            if len(found) < AT_ONCE:
                await deps.db.wait_for("bascule_events", PAUSE_S)
    finally:
        deps.streams[account] -= 1
        if not deps.streams[account]:
            del deps.streams[account]


def _told(event: Event) -> bytes:
    """JSON as we write it has no line break, so it is one line of data."""
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (event.account_sequence, event.type.encode(), event.body)


def _number(last_event_id: str | None) -> int | None:
    """The number a client says it had last. Raises: Rejected."""
    if last_event_id is None or last_event_id == "":
        return None
    if not (last_event_id.isascii() and last_event_id.isdecimal()) or len(last_event_id) > 18:
        raise Rejected(
            "parameter_invalid", "Last-Event-ID is the id of an event of this stream.", param="Last-Event-ID"
        )
    return int(last_event_id)


OPERATION = Operation(
    "GET", "/v1/events/stream", "stream_events", "Follow events", "events:read", Stream(follow), EventStream,
    str, conflicts=True,
)  # fmt: skip
