"""The signer behind a Unix socket, or TLS: POST /sign with a typed intent, answered with bytes or a refusal.

The socket belongs to the signer's user alone (mode 0600) unless others are named; over TLS a client asks only
for wallets its certificate was granted. POST /authority takes a signed change of rosters or limits, which
proves itself; POST /marks says how far a wallet is remembered, POST /rules what payouts would be held against
now; nothing else is served but GET /healthz.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog
from aiohttp import web

from bascule.domain.errors import Halted, Retryable
from bascule.entrypoints.signer_places import Clients, Peer, PeerRefused, Renewed, TlsPlace, Users
from bascule.services.seams import Clock, SystemClock
from bascule.services.signer import Signer
from bascule.services.signer_authority import Change
from bascule.services.signing_intents import (
    Intent,
    MarksAnswer,
    MarksOf,
    OffendingItem,
    RulesQuestion,
    Signed,
    SignerRefused,
)

log = structlog.get_logger()

# struct sockaddr_un: 108 bytes with the closing zero on Linux, 104 on macOS; the smaller holds everywhere.
SOCKET_PATH_MAX = 103
BODY_MAX = 1 << 20
READ_S = 5.0  # for a whole question, which is small and comes from a neighbour
_intents: msgspec.json.Decoder[Intent] = msgspec.json.Decoder(Intent)
_questions = msgspec.json.Decoder(RulesQuestion)
_changes = msgspec.json.Decoder(Change)
_marks = msgspec.json.Decoder(MarksOf)
_encode = msgspec.json.Encoder().encode
_Asked = TypeVar("_Asked")


class Refusal(msgspec.Struct):
    """The body of every answer that carries no signature."""

    code: str
    message: str
    items: tuple[OffendingItem, ...] = ()


class Health(msgspec.Struct):
    """What GET /healthz says to a peer: whom the signer takes it for, and until when."""

    peer: str
    until: datetime | None = None


class SignerServer:
    """Serves one `Signer` at one place. Open it before use, close it after.

    at: the path of a socket, whose `asking` are users, or a place of TLS, whose `asking` are clients.
    read_s: seconds a question may take to arrive.
    """

    def __init__(
        self,
        signer: Signer,
        at: Path | TlsPlace,
        asking: Users | Clients | None = None,
        *,
        clock: Clock | None = None,
        read_s: float = READ_S,
    ) -> None:
        self._signer = signer
        self._at = at
        self._asking = asking or (Users() if isinstance(at, Path) else Clients({}))
        self._clock = clock or SystemClock()
        self._read_s = read_s
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Listens. Raises: Halted in one line when the place is unusable, taken or not ours."""
        require_usable(self._at)
        app = web.Application(client_max_size=BODY_MAX)
        app.add_routes(
            [
                web.post("/sign", self._sign),
                web.post("/rules", self._rules),
                web.post("/authority", self._apply),
                web.post("/marks", self._marks),
                web.get("/healthz", self._healthz),
            ]
        )
        runner = web.AppRunner(app, access_log=None, handle_signals=False, lingering_time=self._read_s)
        await runner.setup()
        try:
            await self._site(runner).start()
        except OSError as error:
            await runner.cleanup()
            setting = "SOCKET" if isinstance(self._at, Path) else "LISTEN"
            raise Halted(
                f"the signer cannot listen at {self._at}: {error.strerror}; check BASCULE_SIGNER_{setting}"
            ) from None
        self._runner = runner

    def _site(self, runner: web.AppRunner) -> web.BaseSite:
        if isinstance(self._at, TlsPlace):
            context = Renewed(self._at).first
            return web.TCPSite(runner, self._at.host, self._at.port, ssl_context=context)
        mode = self._asking.mode if isinstance(self._asking, Users) else 0o600
        return web.SockSite(runner, _listen(self._at, mode))

    async def close(self) -> None:
        """Stops listening; answers under way are finished first."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            if isinstance(self._at, Path):
                with suppress(FileNotFoundError):
                    self._at.unlink()

    async def _sign(self, request: web.Request) -> web.Response:
        async def act(peer: Peer, intent: Intent) -> Signed:
            await self._require_granted(peer, intent)
            return await self._signer.sign(intent)

        return await self._answered(request, _intents, act)

    async def _require_granted(self, peer: Peer, intent: Intent) -> None:
        """Raises: SignerRefused, kept as a row like every other."""
        if (refusal := _denied(peer, intent.wallet)) is not None:
            await self._signer.keep_refusal(refusal, intent)
            raise refusal

    async def _rules(self, request: web.Request) -> web.Response:
        return await self._answered(request, _questions, lambda _, asked: self._signer.rules(asked))

    async def _apply(self, request: web.Request) -> web.Response:
        return await self._answered(request, _changes, lambda _, change: self._signer.apply(change))

    async def _healthz(self, request: web.Request) -> web.Response:
        try:
            peer = self._admitted(request)
        except PeerRefused as refusal:
            return _answer(403, Refusal(refusal.code, refusal.message))
        return _answer(200, Health(peer.name, peer.until))

    def _admitted(self, request: web.Request) -> Peer:
        """Raises: PeerRefused."""
        transport = request.transport
        if transport is None:
            raise PeerRefused("Whoever asked is gone.")
        try:
            return self._asking.admit(transport, self._clock.now())
        except PeerRefused as refusal:
            log.warning("signer refused a peer", why=refusal.message)
            raise

    async def _answered(
        self,
        request: web.Request,
        decoder: msgspec.json.Decoder[_Asked],
        act: Callable[[Peer, _Asked], Awaitable[msgspec.Struct]],
    ) -> web.Response:
        try:
            peer = self._admitted(request)
            async with asyncio.timeout(self._read_s):
                asked = decoder.decode(await request.read())
        except PeerRefused as refusal:
            return _answer(403, Refusal(refusal.code, refusal.message))
        except TimeoutError:
            return _answer(408, Refusal("intent_slow", f"No whole question came in {self._read_s:g} s."))
        except msgspec.MsgspecError as error:
            return _answer(400, Refusal("intent_malformed", str(error)))
        try:
            return _answer(200, await act(peer, asked))
        except SignerRefused as refusal:
            return _answer(409, Refusal(refusal.code, refusal.message, refusal.items))
        except Retryable as error:
            return _answer(503, Refusal("not_ready", str(error)))
        except Halted as error:  # nothing was signed, and nothing will be until a person has looked
            log.error("the signer cannot use its key", why=str(error))
            return _answer(503, Refusal("key_unusable", str(error)))

    async def _marks(self, request: web.Request) -> web.Response:
        async def act(peer: Peer, asked: MarksOf) -> MarksAnswer:
            if (refusal := _denied(peer, asked.wallet)) is not None:
                raise refusal
            return await self._signer.marks(asked)

        return await self._answered(request, _marks, act)


def _denied(peer: Peer, wallet: bytes) -> SignerRefused | None:
    """The refusal of a wallet that the peer was not granted; None when it was."""
    if peer.wallets is None or wallet in peer.wallets:
        return None
    return SignerRefused("lane_denied", f"{peer.name} may not ask for wallet 0x{wallet.hex()}.")


def require_usable(at: Path | TlsPlace) -> None:
    """Raises: Halted when the files of TLS cannot be used, or no socket can stand there.

    That is at a path too long, in no folder, or where something else stands.
    """
    if isinstance(at, TlsPlace):
        at.context(ssl.PROTOCOL_TLS_SERVER)
    else:
        _require_path(at)


def _require_path(path: Path) -> None:
    if (length := len(os.fsencode(path))) > SOCKET_PATH_MAX:
        raise Halted(
            f"the socket path {path} has {length} bytes, at most {SOCKET_PATH_MAX} are possible;"
            " set BASCULE_SIGNER_SOCKET to a shorter one"
        )
    if not path.parent.is_dir():
        raise Halted(f"the folder of the socket path {path} does not exist; create it first")
    if path.exists() and not stat.S_ISSOCK(path.stat().st_mode):
        raise Halted(f"there is a file at the socket path {path}; set BASCULE_SIGNER_SOCKET to another one")
    if path.exists() and _somebody_listens(path):
        raise Halted(f"another signer is listening at {path}; stop it first")


def _listen(path: Path, mode: int) -> socket.socket:
    """A listening socket that was never open to more than `mode` says, not even for a moment."""
    with suppress(FileNotFoundError):
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o777 & ~mode)
    try:
        listening.bind(str(path))
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(before)
    listening.listen(128)
    listening.setblocking(False)
    return listening


def _somebody_listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(str(path)) == 0


def _answer(status: int, body: msgspec.Struct) -> web.Response:
    return web.Response(status=status, body=_encode(body), content_type="application/json")
