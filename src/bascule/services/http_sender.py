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
KEPT_RESPONSE = 1_024
CONNECTION_KEPT_S = 2.0  # shorter than servers keep theirs, or we would send into one that is being closed
NAME_KEPT_S = 10


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


class _CheckedResolver(AbstractResolver):
    """Resolves a name and lets through only addresses we may call; what was checked is what is dialled.

    local: loopback may be called too.
    """

    def __init__(self, names: AbstractResolver, *, local: bool) -> None:
        self._names = names
        self._local = local

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        if not found or any(self._refuses(result["host"]) for result in found):
            raise ForbiddenTarget(host)
        return found

    def _refuses(self, address: str) -> bool:
        return forbidden_address(address) and not (self._local and is_loopback(address))

    async def close(self) -> None:
        await self._names.close()


class ForbiddenTarget(OSError):
    """A name resolves to an address that is not public."""

    def __init__(self, host: str) -> None:
        super().__init__(f"{host} resolves to an address that is not public")


@dataclass
class HttpSender:
    """Posts bodies to merchants' URLs. `guard` refuses to send inside an open transaction.

    names: makes what asks name servers; one that does not answer must hold up no other name, which a pool of
    threads that ask would not promise.
    """

    guard: Callable[[], None]
    rules: EgressRules
    timeout_s: float = TIMEOUT_S
    names: Callable[[], AbstractResolver] = aiohttp.AsyncResolver
    _sessions: dict[bool, aiohttp.ClientSession] = field(default_factory=dict)
    _resolvers: list[AbstractResolver] = field(default_factory=list)

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
        for resolver in self._resolvers:
            await resolver.close()  # a connector does not close what it was given
        self._sessions.clear()
        self._resolvers.clear()

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
                kept, size = await _read_capped(response)
                retry_after = response.headers.get("Retry-After")
                return Answer(response.status, _since(started), kept, size, retry_after)
        except Rejected as error:
            return Answer(None, _since(started), error=error.message)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            return Answer(None, _since(started), error=_why(error, urlsplit(url).hostname))

    def _session(self, local: bool) -> aiohttp.ClientSession:
        if local not in self._sessions:
            self._resolvers.append(resolver := _CheckedResolver(self.names(), local=local))
            self._sessions[local] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=resolver,
                    limit=0,  # how many may be sent is the dispatcher's: here one host's endpoints would wait
                    ttl_dns_cache=NAME_KEPT_S,
                    keepalive_timeout=CONNECTION_KEPT_S,
                ),
                timeout=aiohttp.ClientTimeout(total=self.timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._sessions[local]


async def _read_capped(response: aiohttp.ClientResponse) -> tuple[bytes, int]:
    """The first KiB and how much was read, 64 KiB at most; then the connection is dropped."""
    kept, size = b"", 0
    async for chunk in response.content.iter_any():
        kept = (kept + chunk)[:KEPT_RESPONSE]
        size += len(chunk)
        if size >= RESPONSE_MAX:
            response.close()
            break
    return kept, min(size, RESPONSE_MAX)


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
