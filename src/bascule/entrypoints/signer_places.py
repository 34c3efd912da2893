"""Where a signer is asked, and whom it listens to there.

At a Unix socket the kernel says which user asks; over TLS 1.3 a certificate does, by its one DNS name.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from bascule.domain.errors import Forbidden, Halted

log = structlog.get_logger()


FilesState = tuple[tuple[int, int, int] | None, ...]


class PeerRefused(Forbidden):
    """Whoever asks is nobody the signer listens to."""

    def __init__(self, message: str) -> None:
        super().__init__("peer_refused", message)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who asks. wallets: whose signatures it may ask for, None is all; until: when its certificate ends."""

    name: str
    wallets: frozenset[bytes] | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Users:
    """The users who may ask at a socket; none named is this process's own."""

    uids: frozenset[int] = frozenset()

    @property
    def allowed(self) -> frozenset[int]:
        return self.uids or frozenset({os.getuid()})

    @property
    def mode(self) -> int:
        """What the socket's file allows: others come by its group, and are told apart by the kernel."""
        return 0o600 if self.allowed == {os.getuid()} else 0o660

    def admit(self, transport: asyncio.BaseTransport, _: datetime) -> Peer:
        """Raises: PeerRefused. Where the kernel names no user, the file's mode alone decides."""
        if not hasattr(socket, "SO_PEERCRED"):
            return Peer("a user")
        credentials = transport.get_extra_info("socket").getsockopt(
            socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
        )
        _, uid, _ = struct.unpack("iIi", credentials)  # struct ucred of unix(7): pid, uid, gid
        if uid not in self.allowed:
            raise PeerRefused(f"User {uid} may not ask this signer; BASCULE_SIGNER_UIDS names who may.")
        return Peer(f"user {uid}")


@dataclass(frozen=True, slots=True)
class TlsPlace:
    """A host and port with the certificate of this side, and the authority of the other side's.

    host: the signer's name in its certificate. Files are PEM.
    """

    host: str
    port: int
    certificate: Path
    key: Path
    ca: Path

    def context(self, side: int) -> ssl.SSLContext:
        """TLS 1.3, certificates on both sides. side: `ssl.PROTOCOL_TLS_…`. Raises: Halted, naming a file."""
        made = ssl.SSLContext(side)
        made.minimum_version = ssl.TLSVersion.TLSv1_3
        made.verify_mode = ssl.CERT_REQUIRED
        if side == ssl.PROTOCOL_TLS_SERVER:
            made.num_tickets = 0  # every connection shows its certificate anew
            made.sslobject_class = _Told
        try:  # a password, or the library would ask the terminal for one
            made.load_cert_chain(self.certificate, self.key, password="")
        except OSError as error:
            raise Halted(
                f"{self.certificate} and {self.key} are no certificate and its open key ({_why(error)});"
                " check BASCULE_SIGNER_TLS_CERTIFICATE and BASCULE_SIGNER_TLS_KEY"
            ) from None
        try:
            made.load_verify_locations(self.ca)
        except OSError as error:
            raise Halted(
                f"{self.ca} is no certificate of an authority ({_why(error)}); check BASCULE_SIGNER_TLS_CA"
            ) from None
        return made

    def state(self) -> FilesState:
        """Changes whenever one of the files does; None for one that cannot be looked at."""
        return tuple(_seen(file) for file in (self.certificate, self.key, self.ca))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Renewed:
    """Each handshake of the signer uses the files as they lie there now, so that a renewal needs no restart.

    Files that cannot be used, as while they are being written, change nothing and are told.
    """

    def __init__(self, place: TlsPlace) -> None:
        """Raises: Halted, naming a file."""
        self._place = place
        self._state = place.state()
        self._newest = self.first = place.context(ssl.PROTOCOL_TLS_SERVER)
        self.first.sni_callback = self._choose

    def _choose(self, handshake: ssl.SSLObject, _name: str | None, _: ssl.SSLContext) -> None:
        state = self._place.state()
        if state != self._state:
            self._state = state
            try:
                self._newest = self._place.context(ssl.PROTOCOL_TLS_SERVER)
            except Halted as error:
                log.error("signer keeps its old certificate", why=str(error))
        handshake.context = self._newest


@dataclass(frozen=True, slots=True)
class Clients:
    """What a client may ask for, by its certificate's name: wallets, or None for all."""

    granted: Mapping[str, frozenset[bytes] | None]

    def admit(self, transport: asyncio.BaseTransport, now: datetime) -> Peer:
        """Raises: PeerRefused; also when a certificate ended while its connection lived on."""
        shown = transport.get_extra_info("peercert") or {}
        names = [value for kind, value in shown.get("subjectAltName", ()) if kind == "DNS"]
        if len(names) != 1:
            raise PeerRefused(f"A client's certificate has one DNS name, and this one has {len(names)}.")
        until = until_of(shown)
        if until <= now:
            raise PeerRefused(f"The certificate of {names[0]} ended at {until:%Y-%m-%d %H:%M:%S} UTC.")
        if names[0] not in self.granted:
            raise PeerRefused(f"{names[0]} may not ask this signer; BASCULE_SIGNER_CLIENTS names who may.")
        return Peer(names[0], self.granted[names[0]], until)


class _Told(ssl.SSLObject):
    """A handshake whose failure is logged here and told to the other side.

    The event loop hangs up at a failure and keeps the alert to itself; it sends what there is to send when it
    is told to wait for more. The failure comes again with whatever comes, or the handshake's time runs out.
    """

    _failure: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._failure is not None:
            raise self._failure
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as error:
            log.warning(
                "signer refused a handshake", why=getattr(error, "verify_message", "") or error.reason
            )
            self._failure = error
            raise ssl.SSLWantReadError from None


def until_of(shown: Mapping[str, Any]) -> datetime:
    """When a certificate, as `ssl` describes it, ends."""
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(shown["notAfter"]), UTC)


def _seen(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _why(error: OSError) -> str:
    return error.strerror or str(error)
