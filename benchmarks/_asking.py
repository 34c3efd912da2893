"""A client that costs little: prepared requests over connections that stay open, one at a time on each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

_LENGTH = b"content-length: "


@dataclass(frozen=True, slots=True)
class Asked:
    """What came of many requests. seconds: on the clock; waits: of each request, sorted; last: one answer."""

    seconds: float
    waits: list[float]
    last: bytes

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds

    @property
    def p99_ms(self) -> float:
        """Milliseconds that all but a hundredth of the requests took at most."""
        return self.waits[int(len(self.waits) * 0.99)] * 1000


def request(method: str, path: str, key: str, body: bytes = b"", idempotency_key: str = "") -> bytes:
    """The bytes of one request."""
    lines = [f"{method} {path} HTTP/1.1", "host: bench", f"authorization: Bearer {key}"]
    if idempotency_key:
        lines.append(f"idempotency-key: {idempotency_key}")
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def ask(ports: Sequence[int], connections: int, requests: Sequence[bytes]) -> Asked:
    """Sends them all, in order, over so many connections shared out among the servers.

    Raises: RuntimeError when an answer is not 200; a figure of refusals is worth nothing.
    """
    waiting, waits = iter(requests), []
    last = b""

    async def work(port: int) -> None:
        nonlocal last
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for each in waiting:
            began = time.perf_counter()
            writer.write(each)
            head = await reader.readuntil(b"\r\n\r\n")
            place = head.lower().index(_LENGTH) + len(_LENGTH)
            body = await reader.readexactly(int(head[place : head.index(b"\r", place)]))
            waits.append(time.perf_counter() - began)
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{head.splitlines()[0]!r}: {body[:500]!r}")
            last = body
        writer.close()
        await writer.wait_closed()

    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(connections):
            group.create_task(work(ports[number % len(ports)]))
    return Asked(time.perf_counter() - started, sorted(waits), last)
