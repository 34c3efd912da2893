"""Settings of the way between submitter and signer: where one asks, and at which doors the other listens."""

from __future__ import annotations

from pathlib import Path

from bascule.entrypoints.signer_places import Clients, TlsPlace, Users
from bascule.entrypoints.wiring import Settings


def asked_at(settings: Settings) -> Path | TlsPlace:
    """Where this process asks. Raises: BadConfiguration."""
    if settings.signer_address is not None:
        return _tls(settings, settings.signer_address.host, settings.signer_address.port)
    socket: Path = settings.need("signer_socket")
    return socket


def doors(settings: Settings) -> dict[str, tuple[Path | TlsPlace, Users | Clients]]:
    """Where the signer listens and to whom: its socket, its place of TLS, or both.

    Raises: BadConfiguration when that is nowhere, or the place of TLS listens to nobody.
    """
    found: dict[str, tuple[Path | TlsPlace, Users | Clients]] = {}
    if settings.signer_socket is not None or settings.signer_listen is None:
        found["socket"] = settings.need("signer_socket"), Users(frozenset(settings.signer_uids))
    if settings.signer_listen is not None:
        granted = {
            client.name: None if client.wallets is None else frozenset[bytes](client.wallets)
            for client in settings.need("signer_clients")
        }
        found["tls"] = (
            _tls(settings, settings.signer_listen.host, settings.signer_listen.port),
            Clients(granted),
        )
    return found


def _tls(settings: Settings, host: str, port: int) -> TlsPlace:
    return TlsPlace(
        host,
        port,
        settings.need("signer_tls_certificate"),
        settings.need("signer_tls_key"),
        settings.need("signer_tls_ca"),
    )
