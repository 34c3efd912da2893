"""The submitter's side of the signer's socket, or of TLS to it."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
import msgspec
import structlog

from bascule.domain.errors import Halted, Retryable
from bascule.entrypoints.signer_places import FilesState, TlsPlace, until_of
from bascule.entrypoints.signer_server import Health, Refusal
from bascule.services.signer_authority import Applied, Change
from bascule.services.signing_intents import (
    Intent,
    MarksAnswer,
    MarksOf,
    Rules,
    RulesQuestion,
    Signed,
    SignerRefused,
)

log = structlog.get_logger()
_encode = msgspec.json.Encoder().encode
_Answer = TypeVar("_Answer")
ANSWER_MAX = 1 << 20  # signed bytes of the largest batch are a tenth of it


class SignerUnreachable(Retryable):
    """No answer came; whether the intent was signed is unknown, and asking again is safe."""

    def __init__(self, at: Path | TlsPlace, why: str) -> None:
        super().__init__(f"the signer at {at} does not answer: {why}")
        self.at = at


@dataclass(frozen=True, slots=True)
class Reached:
    """A signer that answered. peer: whom it takes us for; ends: when each side's certificate does."""

    peer: str
    our_end: datetime | None = None
    its_end: datetime | None = None


class SignerClient:
    """Asks the signer behind a socket, or at a place of TLS; implements `services.submitter.SignerPort`.

    guard: raises while a database transaction is open. timeout_s: seconds for a whole answer.
    refusals: how often the signer refused, by code; what it said of single items is counted by item.
    """

    def __init__(self, at: Path | TlsPlace, *, guard: Callable[[], None], timeout_s: float = 10.0) -> None:
        self._at = at
        self._url = f"https://{at}" if isinstance(at, TlsPlace) else "http://signer"
        self._guard = guard
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self._files: FilesState = ()
        self._tls: ssl.SSLContext | None = None
        self.refusals: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        """Raises: Halted when our certificate cannot be used."""
        self._session = self._opened()
        return self

    def _opened(self) -> aiohttp.ClientSession:
        """Connections of their own, with our certificate as it lies there now. Raises: Halted."""
        connector: aiohttp.BaseConnector
        if isinstance(self._at, TlsPlace):
            self._files = self._at.state()
            self._tls = self._at.context(ssl.PROTOCOL_TLS_CLIENT)
            connector = aiohttp.TCPConnector(ssl=self._tls)
        else:
            connector = aiohttp.UnixConnector(path=str(self._at))
        return aiohttp.ClientSession(connector=connector, timeout=self._timeout)

    async def _renew(self) -> None:
        """A renewed certificate is shown from the next question on; an unusable one changes nothing."""
        if not isinstance(self._at, TlsPlace) or self._at.state() == self._files:
            return
        old = self._session
        try:
            self._session = self._opened()
        except Halted as error:
            log.error("our old certificate is still used", why=str(error))
            return
        if old is not None:  # whose answer is under way asks again: the same bytes are its answer
            await old.close()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def sign(self, intent: Intent) -> Signed:
        """Bytes the signer has committed. Raises: SignerRefused, SignerUnreachable, Halted."""
        return await self._ask("/sign", intent, Signed)

    async def rules(self, asked: RulesQuestion) -> Rules:
        """What payouts would be held against now. Raises: as `sign`."""
        return await self._ask("/rules", asked, Rules)

    async def apply(self, change: Change) -> Applied:
        """Hands in a signed change of rosters or limits. Raises: as `sign`."""
        return await self._ask("/authority", change, Applied)

    async def marks(self, asked: MarksOf) -> MarksAnswer:
        """How far the signer remembers a wallet. Raises: as `sign`."""
        return await self._ask("/marks", asked, MarksAnswer)

    async def reach(self) -> Reached:
        """Whom the signer takes us for. Raises: SignerUnreachable, Halted."""
        health = self._understood(*await self._exchange("GET", "/healthz"), Health)
        its_end = await self._its_end(self._at) if isinstance(self._at, TlsPlace) else None
        return Reached(health.peer, health.until, its_end)

    async def _its_end(self, at: TlsPlace) -> datetime:
        try:
            async with asyncio.timeout(self._timeout.total):
                _, writer = await asyncio.open_connection(at.host, at.port, ssl=self._tls)
        except OSError as error:
            raise SignerUnreachable(at, str(error)) from None
        shown = writer.get_extra_info("peercert")
        writer.close()
        return until_of(shown)

    async def _ask(
        self, path: str, asked: Intent | Change | MarksOf | RulesQuestion, answer: type[_Answer]
    ) -> _Answer:
        return self._understood(*await self._exchange("POST", path, _encode(asked)), answer)

    async def _exchange(self, method: str, path: str, data: bytes | None = None) -> tuple[int, bytes]:
        """Status and body. Raises: SignerUnreachable."""
        self._guard()
        await self._renew()
        assert self._session is not None, "the client is used inside `async with`"
        try:
            async with self._session.request(
                method, self._url + path, data=data, allow_redirects=False,
                headers={"content-type": "application/json"},
            ) as response:  # fmt: skip
                return response.status, await self._body(response)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise SignerUnreachable(self._at, f"{type(error).__name__} {error}".strip()) from None

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > ANSWER_MAX:
                raise SignerUnreachable(self._at, f"an answer of more than {ANSWER_MAX} bytes")
        return bytes(body)

    def _understood(self, status: int, body: bytes, answer: type[_Answer]) -> _Answer:
        try:
            if status == 200:
                return msgspec.json.decode(body, type=answer)
            refusal = msgspec.json.decode(body, type=Refusal)
        except msgspec.MsgspecError:
            raise SignerUnreachable(self._at, f"an answer that cannot be read, status {status}") from None
        if status in (408, 503):
            raise SignerUnreachable(self._at, refusal.message)
        if status == 403:
            raise Halted(f"the signer at {self._at} does not listen to this process: {refusal.message}")
        if status == 409:
            self.refusals.update([each.code for each in refusal.items] or [refusal.code])
            raise SignerRefused(refusal.code, refusal.message, refusal.items)
        raise Halted(f"the signer does not understand the question: {refusal.message}")
