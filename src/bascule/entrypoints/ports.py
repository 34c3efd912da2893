"""TCP ports, bound before anything heavy is loaded, so that a busy one is said at once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from bascule.domain.errors import Rejected


class PortRefused(Rejected):
    """Nothing can listen there."""

    def __init__(self, host: str, port: int, why: str) -> None:
        super().__init__(
            "port_refused",
            f"port {port} on {host} cannot be used: {why}",
            next_step="stop what uses it, or name another port",
        )


def listen(host: str, port: int) -> socket.socket:
    """A bound, listening TCP socket; port 0 takes a free one. Raises: PortRefused when it is taken."""
    bound = _bound(host, port)
    try:
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise _refused(host, port, error) from None
    bound.setblocking(False)
    return bound


def free_port(host: str, port: int) -> int:
    """`port` if nothing listens on it, some free one for 0. Raises: PortRefused."""
    with listen(host, port) as bound:
        return int(bound.getsockname()[1])


@contextmanager
def held(host: str, port: int) -> Iterator[int]:
    """`port`, or a free one for 0; while the block runs the system gives it to nobody who asks for any port.

    A process of ours may listen on it, die and listen again: in between connections are refused, and none is
    made from it. Raises: PortRefused.
    """
    if port:
        free_port(host, port)
    with _bound(host, port) as bound:
        yield int(bound.getsockname()[1])


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise _refused(host, port, error) from None
    return bound


def _refused(host: str, port: int, error: OSError) -> PortRefused:
    return PortRefused(host, port, (error.strerror or str(error)).lower())
