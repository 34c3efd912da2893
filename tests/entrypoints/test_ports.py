"""Ports of a process tree: who may listen where, and what is said when somebody else does."""

import socket

import pytest

from bascule.entrypoints.ports import PortRefused, held, listen

HOST = "127.0.0.1"


def test_held_port_stays_its_own_while_nobody_listens() -> None:
    with held(HOST, 0) as port:
        for _ in range(2):  # it dies and starts again
            with listen(HOST, port):
                socket.create_connection((HOST, port)).close()
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((HOST, port))
            with socket.socket() as stranger, pytest.raises(OSError, match="already in use"):
                stranger.bind((HOST, port))

    listen(HOST, port).close()


def test_port_somebody_listens_on_is_refused_by_number() -> None:
    with listen(HOST, 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            PortRefused, match=f"port {port} on {HOST} cannot be used: address already in use"
        ):
            held(HOST, port).__enter__()
