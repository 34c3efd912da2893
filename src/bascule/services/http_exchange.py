"""One connection to a receiver that speaks HTTP/1.1: a request, its answer, then perhaps the next request.

Of an answer 64 KiB of body are read and as much of all else (head, sizes of chunks, trailers), and its first
KiB is kept, whatever the receiver sends. A connection says of itself whether another request may follow; one
that speaks without being asked is ended.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

RESPONSE_MAX = 64 * 1024
KEPT_RESPONSE = 1_024
SWITCHING = 101


class NotHttp(Exception):
    """What came back is no whole answer; the text says why."""


class HungUp(NotHttp):
    """The connection ended before a byte of an answer came."""


class Response(NamedTuple):
    """What came back. body: its first KiB; size: how many bytes of it were read."""

    status: int
    body: bytes
    size: int
    retry_after: str | None


class Exchange(asyncio.Protocol):
    """A connection that is made by `loop.create_connection`. reusable: another request may follow.

    served: one was answered, so that the receiver may have ended it just as another was sent.
    """

    def __init__(self) -> None:
        self.reusable = True
        self.served = False
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Response] | None = None

    async def ask(self, request: bytes) -> Response:
        """Sends a request and reads its answer; ends the connection unless it can serve another.

        Raises: NotHttp.
        """
        assert self._answer is None, "one request at a time"
        assert self._transport is not None, "a connection that was made"
        if self._transport.is_closing():
            raise HungUp("it spoke or hung up before it was asked")
        self.reusable = False
        self._parser = HttpResponseParser(self)
        self._whole = self._head_read = self._framed = False
        self._kept, self._size, self._read = b"", 0, 0
        self._retry_after: str | None = None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        try:
            return await self._answer
        except BaseException:
            self.reusable = False  # also where it was answered and the wait ended at the same moment
            raise
        finally:
            self._answer = None
            if not self.reusable:
                self.end()

    def end(self) -> None:
        """Ends it at once: a receiver that reads nothing holds nothing of ours."""
        self.reusable = False
        if self._transport is not None:
            self._transport.abort()

    # What the event loop says.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.end()
            return
        self._read += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self.reusable = False  # it was asked for nothing of the kind
        except HttpParserError as error:
            self._fail(str(error) or type(error).__name__)
        if self._read - self._size > RESPONSE_MAX:
            if self._head_read:
                self._succeed()
            else:
                self._fail("its head is too long")

    def eof_received(self) -> None:
        self.reusable = False
        if self._answer is not None and not self._answer.done():
            if self._head_read and not self._framed:
                self._succeed()
            else:
                self._fail("the connection ended before its end")

    def connection_lost(self, exc: Exception | None) -> None:
        self.reusable = False
        self._fail("the connection was lost before its end")

    # What the parser says.

    def on_message_begin(self) -> None:
        if self._whole:
            self.reusable = False  # an answer to nothing
        else:
            self._retry_after, self._framed = None, False

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"retry-after":
            self._retry_after = value.decode("latin-1")
        elif name in (b"content-length", b"transfer-encoding"):
            self._framed = True

    def on_headers_complete(self) -> None:
        self._head_read = not self._is_interim()

    def on_body(self, part: bytes) -> None:
        if len(self._kept) < KEPT_RESPONSE:
            self._kept += part[: KEPT_RESPONSE - len(self._kept)]
        self._size += len(part)
        if self._size >= RESPONSE_MAX:
            self._succeed()

    def on_message_complete(self) -> None:
        if self._whole or self._is_interim():
            return
        assert self._transport is not None
        sent = not self._transport.get_write_buffer_size()
        self.reusable = sent and self._parser.should_keep_alive() and not self._transport.is_closing()
        self._succeed()

    def _is_interim(self) -> bool:
        """A 1xx that is followed by an answer."""
        status = self._parser.get_status_code()
        return 100 <= status < 200 and status != SWITCHING

    def _succeed(self) -> None:
        self._whole = self.served = True
        if self._answer is not None and not self._answer.done():
            size = min(self._size, RESPONSE_MAX)
            status = self._parser.get_status_code()
            self._answer.set_result(Response(status, self._kept, size, self._retry_after))

    def _fail(self, why: str) -> None:
        self.reusable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(NotHttp(why) if self._read else HungUp(why))
