"""TCP ports, bound before anything heavy is loaded, so that a busy one is said at once."""

from __future__ import annotations

import socket

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
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(2048)
    except OSError as error:
        bound.close()
        raise PortRefused(host, port, (error.strerror or str(error)).lower()) from None
    bound.setblocking(False)
    return bound


def free_port(host: str, port: int) -> int:
    """`port` if nothing listens on it, some free one for 0. Raises: PortRefused."""
    with listen(host, port) as bound:
        return int(bound.getsockname()[1])
