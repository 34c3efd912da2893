"""The signer behind a Unix socket: POST /sign with a typed intent, answered with signed bytes or a refusal.

The socket belongs to the signer's user alone (mode 0600). POST /authority takes a signed change of rosters or
limits; nothing else is served but GET /healthz.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog
from aiohttp import web

from bascule.domain.errors import Halted, Retryable
from bascule.services.signer import Signer
from bascule.services.signer_authority import Change
from bascule.services.signing_intents import Intent, OffendingItem, SignerRefused

log = structlog.get_logger()

# struct sockaddr_un: 108 bytes with the closing zero on Linux, 104 on macOS; the smaller holds everywhere.
SOCKET_PATH_MAX = 103
BODY_MAX = 1 << 20
_intents: msgspec.json.Decoder[Intent] = msgspec.json.Decoder(Intent)
_changes = msgspec.json.Decoder(Change)
_encode = msgspec.json.Encoder().encode
_Asked = TypeVar("_Asked")


class Refusal(msgspec.Struct):
    """The body of every answer that carries no signature."""

    code: str
    message: str
    items: tuple[OffendingItem, ...] = ()


class SignerServer:
    """Serves one `Signer` at one socket path. Open it before use, close it after."""

    def __init__(self, signer: Signer, path: Path) -> None:
        self._signer = signer
        self._path = path
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        """Listens. Raises: Halted in one line when the path is too long, taken or not ours to write."""
        require_usable(self._path)
        app = web.Application(client_max_size=BODY_MAX)
        app.add_routes(
            [
                web.post("/sign", self._sign),
                web.post("/authority", self._apply),
                web.get("/healthz", _healthz),
            ]
        )
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        try:
            listening = _listen(self._path)
            await web.SockSite(runner, listening).start()
        except OSError as error:
            await runner.cleanup()
            raise Halted(
                f"the signer cannot listen at {self._path}: {error.strerror}; check BASCULE_SIGNER_SOCKET"
            ) from None
        self._runner = runner

    async def close(self) -> None:
        """Stops listening; answers under way are finished first."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
            with suppress(FileNotFoundError):
                self._path.unlink()

    async def _sign(self, request: web.Request) -> web.Response:
        return await _answered(request, _intents, self._signer.sign)

    async def _apply(self, request: web.Request) -> web.Response:
        return await _answered(request, _changes, self._signer.apply)


async def _answered(
    request: web.Request,
    decoder: msgspec.json.Decoder[_Asked],
    act: Callable[[_Asked], Awaitable[msgspec.Struct]],
) -> web.Response:
    try:
        asked = decoder.decode(await request.read())
    except msgspec.MsgspecError as error:
        return _answer(400, Refusal("intent_malformed", str(error)))
    try:
        return _answer(200, await act(asked))
    except SignerRefused as refusal:
        return _answer(409, Refusal(refusal.code, refusal.message, refusal.items))
    except Retryable as error:
        return _answer(503, Refusal("not_ready", str(error)))
    except Halted as error:  # nothing was signed, and nothing will be until a person has looked
        log.error("the signer cannot use its key", why=str(error))
        return _answer(503, Refusal("key_unusable", str(error)))


def require_usable(path: Path) -> None:
    """Raises: Halted when no socket can stand at `path`: too long, no such folder, something else there."""
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


def _listen(path: Path) -> socket.socket:
    """A listening socket that was never open to others, not even for a moment."""
    with suppress(FileNotFoundError):
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
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


async def _healthz(_: web.Request) -> web.Response:
    return web.Response(text="ok")


def _answer(status: int, body: msgspec.Struct) -> web.Response:
    return web.Response(status=status, body=_encode(body), content_type="application/json")
