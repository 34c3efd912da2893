"""Sends one webhook over HTTP: pinned to checked addresses, no redirects, bounded in time and size."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from bascule.domain.errors import Rejected
from bascule.services.egress import EgressRules, forbidden_address, is_loopback

TIMEOUT_S = 15.0
RESPONSE_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. status: None when nothing did, and then `error` says why in one line."""

    status: int | None
    duration_ms: int
    body: bytes = b""
    retry_after: str | None = None
    error: str | None = None


class _CheckedResolver(AbstractResolver):
    """Resolves a name and lets through only addresses we may call; what was checked is what is dialled.

    local: loopback may be called too.
    """

    def __init__(self, *, local: bool) -> None:
        self._inner = aiohttp.ThreadedResolver()
        self._local = local

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not found or any(self._refuses(result["host"]) for result in found):
            raise ForbiddenTarget(host)
        return found

    def _refuses(self, address: str) -> bool:
        return forbidden_address(address) and not (self._local and is_loopback(address))

    async def close(self) -> None:
        await self._inner.close()


class ForbiddenTarget(OSError):
    """A name resolves to an address that is not public."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} resolves to an address that is not public")


@dataclass
class HttpSender:
    """Posts bodies to merchants' URLs. `guard` refuses to send inside an open transaction."""

    guard: Callable[[], None]
    rules: EgressRules
    timeout_s: float = TIMEOUT_S
    _sessions: dict[bool, aiohttp.ClientSession] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends every connection."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], *, livemode: bool) -> Answer:
        """The receiver's answer, whatever it is; never raises for what the receiver or the network does."""
        self.guard()
        started = time.monotonic()
        try:
            self.rules.check(url, livemode=livemode)
            local = self.rules.allows_local(livemode)
            async with self._session(local).post(
                url, data=body, headers=dict(headers), allow_redirects=False
            ) as response:
                received = await _read_capped(response)
                return Answer(response.status, _since(started), received, response.headers.get("Retry-After"))
        except Rejected as error:
            return Answer(None, _since(started), error=error.message)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return Answer(None, _since(started), error=_why(error, urlsplit(url).hostname))

    def _session(self, local: bool) -> aiohttp.ClientSession:
        if local not in self._sessions:
            self._sessions[local] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=_CheckedResolver(local=local),
                    limit=0,
                    limit_per_host=8,
                    use_dns_cache=local,
                    force_close=not local,
                ),
                timeout=aiohttp.ClientTimeout(total=self.timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._sessions[local]


async def _read_capped(response: aiohttp.ClientResponse) -> bytes:
    """At most 64 KiB; the rest is not read and the connection is dropped."""
    received = bytearray()
    async for chunk in response.content.iter_chunked(8 * 1024):
        received += chunk
        if len(received) >= RESPONSE_MAX:
            response.close()
            break
    return bytes(received[:RESPONSE_MAX])


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)


def _why(error: BaseException, host: str | None) -> str:
    cause = error.__cause__ or error.__context__
    if isinstance(error, ForbiddenTarget) or isinstance(cause, ForbiddenTarget):
        return "the host resolves to an address that is not public"
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"no connection to {host}: {type(error.os_error).__name__}"
    return f"no valid answer: {type(error).__name__}"
