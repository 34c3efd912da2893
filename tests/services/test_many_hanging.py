"""Two thousand endpoints that never answer, at once: quick ones get what is theirs meanwhile."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

import pytest

from bascule.entrypoints.descriptors import raise_limit
from bascule.services.dispatcher import DELIVERED
from bascule.services.flights import OTHERS, Flights
from tests.support.api import Shop
from tests.support.hooks import endpoint, happen
from tests.support.receiver import local_sender

pytestmark = pytest.mark.slow
HANGING, QUICK, ROUNDS = 2_000, 20, 3
FOR_EVER_S = 3_600.0  # no send that hangs ends while the test runs, however slow the machine
MULTIPLY = """
INSERT INTO webhook_endpoints (id, account_id, livemode, url, secret, enabled_events, created_at)
SELECT 'we_' || md5(n::text), account_id, livemode,
       %(url)s || CASE WHEN n <= %(quick)s THEN '/quick' ELSE '/hang' END || n, secret, enabled_events,
       created_at
  FROM webhook_endpoints, generate_series(1, %(quick)s + %(hanging)s) AS n WHERE id = %(id)s
"""


class Arrived(asyncio.Protocol):
    """A connection of a server that answers paths with `quick` and no others."""

    def __init__(self, came: list[str], connections: list[asyncio.Transport]) -> None:
        self._came = came
        self._connections = connections
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.append(self._transport)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, _, body = self._read.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        if length is None or len(body) < int(length[1]):
            return
        self._read = b""
        self._came.append(path := head.split(b" ", 2)[1].decode())
        if path.startswith("/quick"):
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")


@dataclass
class Listening:
    """The server. came: the paths that were called, in order."""

    url: str
    came: list[str]

    def of(self, kind: str) -> Counter[str]:
        """How often which of these paths was called."""
        return Counter(path for path in self.came if path.startswith(kind))


@asynccontextmanager
async def listening() -> AsyncIterator[Listening]:
    came: list[str] = []
    connections: list[asyncio.Transport] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Arrived(came, connections), "127.0.0.1", 0, backlog=4_096)
    try:
        yield Listening(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", came)
    finally:
        for connection in connections:
            connection.abort()
        server.close()
        await server.wait_closed()


async def test_quick_endpoints_get_what_is_theirs_while_two_thousand_others_hang(shop: Shop) -> None:
    """None of those ends before the test does, and none gets a second send while the first hangs."""
    assert raise_limit() >= 2 * HANGING + OTHERS, "this process is sender and receiver: ulimit -Hn 5000"
    async with listening() as server, local_sender(timeout_s=FOR_EVER_S) as sender:
        hook = await endpoint(shop, f"{server.url}/quick0")
        values = {"url": server.url, "quick": QUICK, "hanging": HANGING, "id": hook["id"]}
        async with shop.owner.transaction() as conn:
            await conn.execute(MULTIPLY, values)
        flights = Flights(slow_lane=HANGING + OTHERS)  # a slow machine makes slow ones of the quick
        dispatcher = shop.dispatcher(sender, lease_s=FOR_EVER_S + 10, flights=flights)

        async with asyncio.timeout(300):
            for sent in range(1, ROUNDS + 1):
                await happen(shop)
                while dispatcher.attempts.total() < sent * (QUICK + 1):
                    await dispatcher.run_once()
                while len(server.came) < sent * (QUICK + 1) + HANGING or flights.quick:
                    await dispatcher.run_once()

        assert set(server.of("/quick").values()) == {ROUNDS}
        assert set(server.of("/hang").values()) == {1}
        assert (len(flights), dispatcher.attempts) == (HANGING, {DELIVERED: ROUNDS * (QUICK + 1)})
        await dispatcher.stop()
