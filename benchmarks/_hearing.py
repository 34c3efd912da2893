"""Merchants' servers in one process: /quick/N answers at once, /hang/N never, /heard tells what came when.

`python -m benchmarks._hearing` prints its port. It speaks as much HTTP/1.1 as our sender asks of it, so that
the measure is the sender and not the servers.
"""

import asyncio
import struct
import sys
import time

import uvloop

from bascule.entrypoints.descriptors import raise_limit

END = b"\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
ID_SIZE = 30
HEARD = struct.Struct(f"<{ID_SIZE}sd")  # a webhook-id and the moment, Unix seconds
heard = bytearray()


class Hearing(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A sender."""
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Requests, perhaps in pieces."""
        self._read += data
        while (end := self._read.find(END)) >= 0:
            head = self._read[:end].lower()
            size = end + len(END) + (int(_value(head, b"content-length")) if b"content-length" in head else 0)
            if len(self._read) < size:
                return
            self._read = self._read[size:]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        if head.startswith(b"post /quick/"):
            heard.extend(HEARD.pack(_value(head, b"webhook-id"), time.time()))
            self._transport.write(OK)
        elif head.startswith(b"get /heard"):
            self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(heard) + heard)
            heard.clear()


def _value(head: bytes, name: bytes) -> bytes:
    start = head.index(b"\r\n" + name + b":") + len(name) + 3
    return head[start : (head + b"\r\n").index(b"\r\n", start)].strip()


async def main() -> None:
    """Serves until the process is ended."""
    raise_limit()
    server = await asyncio.get_running_loop().create_server(Hearing, "127.0.0.1", 0, backlog=4_096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
