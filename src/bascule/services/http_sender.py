"""Sends one webhook over HTTP: pinned to checked addresses, no redirects, bounded in time and size."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import AsyncResolver
from aiohttp.abc import AbstractResolver

from bascule.domain.errors import Rejected
from bascule.services.egress import EgressRules, forbidden_address, is_loopback
from bascule.services.http_exchange import HungUp, NotHttp, Response
from bascule.services.http_places import ForbiddenTarget, NotReached, Places, target_of

TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. status: None when nothing did, and then `error` says why in one line.

    body: its first KiB; size: how many bytes of it were read.
    """

    status: int | None
    duration_ms: int
    body: bytes = b""
    size: int = 0
    retry_after: str | None = None
    error: str | None = None


@dataclass
class HttpSender:
    """Posts bodies to merchants' URLs. `guard` refuses to send inside an open transaction.

    names: makes what asks name servers; one that does not answer must hold up no other name, which a pool of
    threads that ask would not promise.
    """

    guard: Callable[[], None]
    rules: EgressRules
    timeout_s: float = TIMEOUT_S
    names: Callable[[], AbstractResolver] = AsyncResolver
    _places: dict[bool, Places] = field(default_factory=dict)  # by whether loopback may be called

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends every connection."""
        for places in self._places.values():
            await places.close()
        self._places.clear()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, livemode: bool) -> Answer:
        """The receiver's answer, whatever it is; never raises for what the receiver or the network does.

        Where a kept connection ends without a word, the request is sent once more, over a new one.
        """
        self.guard()
        started = time.monotonic()
        try:
            self.rules.check(url, livemode=livemode)
            async with asyncio.timeout(self.timeout_s):
                status, kept, size, retry_after = await self._ask(url, body, headers, livemode)
            return Answer(status, _since(started), kept, size, retry_after)
        except (Rejected, ForbiddenTarget, NotReached, NotHttp, OSError, ValueError) as error:
            return Answer(None, _since(started), error=_why(error, url))

    async def _ask(self, url: str, body: bytes, headers: Mapping[str, str], livemode: bool) -> Response:
        place, line = target_of(url)
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        head = b"%bAccept: */*\r\nContent-Length: %d\r\n%b\r\n" % (line, len(body), lines.encode())
        places = self._places_for(local=self.rules.allows_local(livemode))
        connection = await places.connection(place)
        try:
            response = await connection.ask(head + body)
        except HungUp:
            if not connection.served:
                raise
            connection = await places.new_connection(place)
            response = await connection.ask(head + body)
        places.keep(place, connection)
        return response

    def _places_for(self, *, local: bool) -> Places:
        if local not in self._places:
            refused = _forbidden_but_here if local else forbidden_address
            self._places[local] = Places(self.names(), refused)
        return self._places[local]


def _forbidden_but_here(address: str) -> bool:
    return forbidden_address(address) and not is_loopback(address)


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)


def _why(error: Exception, url: str) -> str:
    if isinstance(error, Rejected):
        return error.message
    if isinstance(error, ForbiddenTarget):
        return "the host resolves to an address that is not public"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, NotReached):
        return f"no connection to {target_of(url).place.host}: {error}"
    return f"no valid answer: {error}"
