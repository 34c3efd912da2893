"""Connections to receivers: dialled at addresses that were checked, kept a moment for the next request."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import aiohappyeyeballs
from aiohttp.abc import AbstractResolver

from bascule.services.egress import is_address
from bascule.services.http_exchange import Exchange

CONNECTION_KEPT_S = 2.0  # shorter than servers keep theirs, or we would send into one that is being closed
CONNECTIONS_KEPT = 256
NAME_KEPT_S = 10.0
NAMES_KEPT = 4_096
NEXT_ADDRESS_S = 0.25  # until an address that does not answer is joined by the next (RFC 8305 §5)
_LEGAL = "%/?:@!$&'()*+,;=~-._"  # in a request's target; the rest is quoted


class Place(NamedTuple):
    """Who is called."""

    secure: bool
    host: str
    port: int


class Target(NamedTuple):
    """Where a URL leads. line: the request's first line and `Host`."""

    place: Place
    line: bytes


@lru_cache(maxsize=4_096)
def target_of(url: str) -> Target:
    """Of a URL that `EgressRules.check` let through."""
    parts = urlsplit(url)
    assert parts.hostname is not None, "a checked URL"
    secure = parts.scheme == "https"
    usual = 443 if secure else 80
    port = parts.port or usual
    path = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_LEGAL)
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    named = host if port == usual else f"{host}:{port}"
    return Target(Place(secure, parts.hostname, port), f"POST {path} HTTP/1.1\r\nHost: {named}\r\n".encode())


class NotReached(Exception):
    """Nothing listens there, or not with a certificate for that name, or the name leads nowhere."""


class ForbiddenTarget(Exception):
    """A name resolves to an address that we may not call."""


@dataclass
class Places:
    """Connections to places, made when none is kept.

    names: asked for addresses; forbidden: says which of those are not called. What was checked is dialled.
    """

    names: AbstractResolver
    forbidden: Callable[[str], bool]
    _kept: OrderedDict[Exchange, tuple[Place, float]] = field(default_factory=OrderedDict)  # oldest first
    _of: dict[Place, list[Exchange]] = field(default_factory=dict)
    _known: OrderedDict[str, tuple[float, list[str]]] = field(default_factory=OrderedDict)
    _asked: dict[str, asyncio.Task[list[str]]] = field(default_factory=dict)
    _sweeps: bool = False
    _tls: ssl.SSLContext | None = None

    async def connection(self, place: Place) -> Exchange:
        """A kept one, or a new one. Raises: ForbiddenTarget, NotReached."""
        self._drop_old()
        while kept := self._of.get(place):
            if (found := self._forget(kept[-1])).reusable:
                return found
        return await self.new_connection(place)

    async def new_connection(self, place: Place) -> Exchange:
        """One that served nobody yet. Raises: ForbiddenTarget, NotReached."""
        return await self._dial(place, await self._addresses(place.host))

    def keep(self, place: Place, connection: Exchange) -> None:
        """For the next who calls there, if it can serve another request."""
        if not connection.reusable:
            return
        now = asyncio.get_running_loop().time()
        if not self._sweeps:
            self._sweeps = True
            asyncio.get_running_loop().call_later(CONNECTION_KEPT_S, self._sweep)
        self._kept[connection] = (place, now)
        self._of.setdefault(place, []).append(connection)
        if len(self._kept) > CONNECTIONS_KEPT:
            self._forget(next(iter(self._kept))).end()

    async def close(self) -> None:
        """Ends every kept connection and every question for a name."""
        for connection in list(self._kept):
            self._forget(connection).end()
        for asked in self._asked.values():
            asked.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
        await self.names.close()

    def _forget(self, connection: Exchange) -> Exchange:
        place, _ = self._kept.pop(connection)
        self._of[place].remove(connection)
        if not self._of[place]:
            del self._of[place]
        return connection

    def _drop_old(self) -> None:
        oldest = asyncio.get_running_loop().time() - CONNECTION_KEPT_S
        while self._kept:
            connection, (_, since) = next(iter(self._kept.items()))
            if since > oldest and connection.reusable:
                return
            self._forget(connection).end()

    def _sweep(self) -> None:
        self._drop_old()
        self._sweeps = bool(self._kept)
        if self._sweeps:
            asyncio.get_running_loop().call_later(CONNECTION_KEPT_S / 2, self._sweep)

    async def _addresses(self, host: str) -> list[str]:
        found = [host] if is_address(host) else await self._resolved(host)
        if not found or any(self.forbidden(address) for address in found):
            raise ForbiddenTarget(host)
        return found

    async def _resolved(self, host: str) -> list[str]:
        """One question for all who wait for a name; none of them ends it."""
        until, found = self._known.get(host, (0.0, []))
        if asyncio.get_running_loop().time() < until:
            return found
        if host not in self._asked:
            self._asked[host] = asked = asyncio.create_task(self._ask(host))
            asked.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            return await asyncio.shield(self._asked[host])
        except (OSError, ValueError) as error:
            raise NotReached("the name has no address") from error

    async def _ask(self, host: str) -> list[str]:
        try:
            answers = await self.names.resolve(host, 0, socket.AF_UNSPEC)
        finally:
            del self._asked[host]
        found = [answer["host"] for answer in answers]
        self._known[host] = (asyncio.get_running_loop().time() + NAME_KEPT_S, found)
        self._known.move_to_end(host)
        if len(self._known) > NAMES_KEPT:
            self._known.popitem(last=False)
        return found

    async def _dial(self, place: Place, addresses: list[str]) -> Exchange:
        loop = asyncio.get_running_loop()
        try:
            sock = await aiohappyeyeballs.start_connection(
                [_info(address, place.port) for address in addresses], happy_eyeballs_delay=NEXT_ADDRESS_S
            )
        except (OSError, ValueError) as error:
            raise NotReached(type(error).__name__) from error
        secured: dict[str, Any] = {}
        if place.secure:
            secured = {"ssl": self._secure(), "server_hostname": place.host.rstrip(".")}
        try:
            _, exchange = await loop.create_connection(Exchange, sock=sock, **secured)
        except (OSError, ValueError) as error:
            sock.close()
            raise NotReached(type(error).__name__) from error
        except BaseException:
            sock.close()
            raise
        return exchange

    def _secure(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls


def _info(address: str, port: int) -> Any:
    """As `getaddrinfo` says it. An address that names an interface is never public."""
    if ip_address(address).version == 6:
        return (socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port, 0, 0))
    return (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
