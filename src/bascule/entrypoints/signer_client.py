"""The submitter's side of the signer's socket."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import aiohttp
import msgspec

from bascule.domain.errors import Halted, Retryable
from bascule.entrypoints.signer_server import Refusal
from bascule.services.signer_authority import Applied, Change
from bascule.services.signing_intents import Intent, Signed, SignerRefused

_encode = msgspec.json.Encoder().encode
_Answer = TypeVar("_Answer")


class SignerUnreachable(Retryable):
    """No answer came; whether the intent was signed is unknown, and asking again is safe."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"the signer at {path} does not answer: {why}")
        self.path = path


class SignerClient:
    """Asks the signer behind a Unix socket; implements `services.submitter.SignerPort`.

    guard: raises while a database transaction is open. timeout_s: seconds for a whole answer.
    refusals: how often the signer refused, by code; what it said of single items is counted by item.
    """

    def __init__(self, path: Path, *, guard: Callable[[], None], timeout_s: float = 10.0) -> None:
        self._path = path
        self._guard = guard
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._session: aiohttp.ClientSession | None = None
        self.refusals: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(path=str(self._path)), timeout=self._timeout
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def sign(self, intent: Intent) -> Signed:
        """Bytes the signer has committed. Raises: SignerRefused, SignerUnreachable, Halted."""
        return await self._ask("/sign", intent, Signed)

    async def apply(self, change: Change) -> Applied:
        """Hands in a signed change of rosters or limits. Raises: as `sign`."""
        return await self._ask("/authority", change, Applied)

    async def _ask(self, path: str, asked: Intent | Change, answer: type[_Answer]) -> _Answer:
        self._guard()
        assert self._session is not None, "the client is used inside `async with`"
        try:
            async with self._session.post(
                "http://signer" + path, data=_encode(asked), headers={"content-type": "application/json"}
            ) as response:
                body, status = await response.read(), response.status
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise SignerUnreachable(self._path, f"{type(error).__name__} {error}".strip()) from None
        try:
            if status == 200:
                return msgspec.json.decode(body, type=answer)
            refusal = msgspec.json.decode(body, type=Refusal)
        except msgspec.MsgspecError:
            raise SignerUnreachable(self._path, f"an answer that cannot be read, status {status}") from None
        if status == 503:
            raise SignerUnreachable(self._path, refusal.message)
        if status == 409:
            self.refusals.update([each.code for each in refusal.items] or [refusal.code])
            raise SignerRefused(refusal.code, refusal.message, refusal.items)
        raise Halted(f"the signer does not understand the question: {refusal.message}")
