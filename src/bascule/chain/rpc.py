"""JSON-RPC 2.0 over HTTP to one node: requests out, validated envelopes back.

Nothing is sent while a database transaction is open (`guard`), nothing is retried here, and an answer of
the wrong shape is refused whole. After `NodeUnreachable` it is unknown whether a request took effect.
"""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bascule.chain.caller import Ask, Call, Said
from bascule.chain.errors import Garbled, NodeUnreachable, RpcError
from bascule.chain.evidence import Evidence, Exchange, Tellers
from bascule.chain.families import Family
from bascule.chain.worth import Worth
from bascule.domain.errors import BasculeError

T = TypeVar("T")
# Told of each exchange: method, how it ended (answered, rate_limited, unreachable), seconds.
Timed = Callable[[str, str, float], None]
# A block of 10,000 logs is about 10 MB of JSON; what is much larger is no answer.
MAX_BYTES = 128 * 1024 * 1024

# What a decoder says to bytes that are no answer: malformed, of another type, no UTF-8, nested without end.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_encode = msgspec.json.Encoder().encode


def untimed(method: str, result: str, seconds: float) -> None:
    """Nobody measures exchanges."""


class _Refusal(msgspec.Struct):
    code: int
    message: str = ""
    data: Any = None


class _Envelope(msgspec.Struct):
    jsonrpc: str
    id: int | str | None = None
    result: msgspec.Raw = msgspec.Raw()
    error: _Refusal | None = None


_one = msgspec.json.Decoder(_Envelope).decode
_many = msgspec.json.Decoder(list[_Envelope]).decode


class Rpc:
    """One node. url: http(s); timeout_s: seconds for a whole exchange; guard: raises inside a transaction.

    family: how its chain spells headers and receipts; None: nobody listed the chain; max_bytes: of an answer.
    As a `Caller` it is a pool of one: it is believed, and asked again.
    """

    quorum = 1

    def __init__(
        self,
        url: str,
        *,
        session: aiohttp.ClientSession,
        guard: Callable[[], None],
        timeout_s: float = 10.0,
        family: Family | None = None,
        max_bytes: int = MAX_BYTES,
        timed: Timed = untimed,
    ) -> None:
        self.url = url
        self.name = urlsplit(url).netloc.rpartition("@")[2]
        self.family = family
        self.worth = Worth()
        self.evidence = Evidence()
        self.exchange: Exchange | None = None
        self._tellers: Tellers | None = None
        self._max_bytes = max_bytes
        self._timed = timed
        self._session = session
        self._guard = guard
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._ids = itertools.count(1)

    @property
    def names(self) -> list[str]:
        """As `Caller.names`."""
        return [self.name]

    async def call(self, method: str, *params: object) -> Any:
        """The method's result as plain JSON values. Raises: RpcError, NodeUnreachable, WrongShape."""
        return await self.call_as(Any, method, *params)

    async def call_as(self, shape: type[T], method: str, *params: object) -> T:
        """The method's result, which must have `shape` (a msgspec type). Raises as `call`."""
        number = next(self._ids)
        body = await self._post(method, _encode(_request(number, method, params)))
        try:
            envelope = _one(body)
        except _UNREADABLE as error:
            raise Garbled("not_json_rpc", method=method, why=f"not a JSON-RPC answer: {error}") from None
        return _result(shape, method, envelope, number)

    async def batch(self, calls: Sequence[Call]) -> list[Any]:
        """The results in the order of `calls`; the first refusal among them is raised. Raises as `call`."""
        return await self.batch_as(Any, calls)

    async def batch_as(self, shape: type[T], calls: Sequence[Call]) -> list[T]:
        """As `batch`, every result of the same `shape`."""
        results: list[T] = []
        for result in await self.batch_each(shape, calls):
            if isinstance(result, RpcError):
                raise result
            results.append(result)
        return results

    async def batch_each(self, shape: type[T], calls: Sequence[Call]) -> list[T | RpcError]:
        """As `Caller.batch_each`; a batch that is refused as a whole raises."""
        if not calls:
            return []
        numbers = [next(self._ids) for _ in calls]
        requests = [_request(n, method, params) for n, (method, params) in zip(numbers, calls, strict=True)]
        method = f"batch of {len(calls)} {calls[0][0]}"
        body = await self._post(method, _encode(requests))
        told = _decode_batch(method, body)
        answers = {envelope.id: envelope for envelope in told}
        if len(told) != len(calls) or answers.keys() != set(numbers):
            why = f"{len(told)} answers with {len(answers)} ids to {len(calls)} requests"
            raise Garbled("wrong_id", method=method, why=why)
        asked = [*zip(numbers, calls, strict=True)]
        return [_result_or_refusal(shape, name, answers[n], n) for n, (name, _) in asked]

    def witness(self) -> Rpc:
        """The same node, keeping the newest exchange of its own in `exchange`."""
        apart = copy.copy(self)
        apart.exchange = Exchange()
        return apart

    async def checked(self, ask: Ask[T], enough: Callable[[T], bool] | None = None) -> T:
        """The node's answer."""
        return await ask(self.witness())

    async def rising(self, name: str, ask: Ask[T], height: Callable[[T], int]) -> T:
        """The node's answer, also when its head went down."""
        return await ask(self)

    async def attested(self, name: str, ask: Ask[T], height: Callable[[T], int]) -> int:
        """The node's height."""
        return height(await ask(self))

    async def agreed(self, ask: Ask[T], said: Said[T], *, settled: bool, partly: bool = False) -> T:
        """The node's answer."""
        return await ask(self)

    async def everyone(self, ask: Ask[T]) -> list[tuple[str, T | BasculeError]]:
        """The node's answer, or why there is none."""
        try:
            return [(self.names[0], await ask(self))]
        except BasculeError as error:
            return [(self.names[0], error)]

    def refute(self, told: tuple[str, Exchange], against: tuple[str, Exchange] | None, why: str) -> None:
        """Kept; the only node is asked again."""
        self.evidence.keep(told, against, why, refuted=True)

    def disputed(self, told: Tellers, against: Tellers, why: str) -> None:
        """As `Caller.disputed`."""
        self.evidence.dispute(told, against, why)

    def noting(self, tellers: Tellers) -> Rpc:
        """As `Caller.noting`: whatever is answered is this node's."""
        view = self.witness()
        view._tellers = tellers
        return view

    def other(self, than: Collection[str], *, only: bool = False) -> Rpc:
        """Itself: there is no other."""
        return self

    async def _post(self, method: str, body: bytes) -> bytes:
        self._guard()
        began, result = time.perf_counter(), "unreachable"
        try:
            async with self._session.post(
                self.url, data=body, timeout=self._timeout, headers={"content-type": "application/json"}
            ) as response:
                answer = await self._body(method, response)
                status, told = response.status, response.headers.get("Retry-After", "")
                result = "rate_limited" if status == 429 else "answered"
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise NodeUnreachable(method=method, why=f"{type(error).__name__} {error}".strip()) from None
        finally:
            self._timed(method.rpartition(" ")[2], result, time.perf_counter() - began)
        if status == 429:
            retry_after = float(told) if told.isdecimal() and len(told) < 6 else None
            raise RpcError(method=method, code=status, message="too many requests", retry_after=retry_after)
        # Some nodes put JSON-RPC refusals under 4xx and 5xx; others put a proxy's page there.
        if status >= 400 and not answer.lstrip().startswith((b"{", b"[")):
            raise NodeUnreachable(method=method, why=f"HTTP status {status}")
        if self.exchange is not None:
            self.exchange = Exchange(body, answer)
            if self._tellers is not None:
                self._tellers[self.name] = self.exchange
        return answer

    async def _body(self, method: str, response: aiohttp.ClientResponse) -> bytes:
        """The whole body, never more than `max_bytes` of it in memory."""
        body = bytearray()
        async for piece in response.content.iter_any():
            body += piece
            if len(body) > self._max_bytes:
                why = f"an answer of more than {self._max_bytes} bytes"
                raise Garbled("too_large", method=method, why=why)
        return bytes(body)


def _request(number: int, method: str, params: Sequence[object]) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(params)}


def _decode_batch(method: str, body: bytes) -> list[_Envelope]:
    try:
        # A node that refuses the batch as a whole answers with one object.
        return _many(body) if body.lstrip().startswith(b"[") else [_refused_whole(method, _one(body))]
    except _UNREADABLE as error:
        raise Garbled("not_json_rpc", method=method, why=f"not a JSON-RPC answer: {error}") from None


def _refused_whole(method: str, envelope: _Envelope) -> _Envelope:
    if envelope.error is not None:
        raise RpcError(
            method=method, code=envelope.error.code, message=envelope.error.message, data=envelope.error.data
        )
    return envelope


def _result_or_refusal(shape: type[T], method: str, envelope: _Envelope, number: int) -> T | RpcError:
    try:
        return _result(shape, method, envelope, number)
    except RpcError as refusal:
        return refusal


def _result(shape: type[T], method: str, envelope: _Envelope, number: int) -> T:
    if envelope.error is not None:
        error = envelope.error
        raise RpcError(method=method, code=error.code, message=error.message, data=error.data)
    if envelope.jsonrpc != "2.0" or envelope.id != number:
        raise Garbled("wrong_id", method=method, why=f"answer to request {envelope.id!r}, not to {number}")
    if not bytes(envelope.result):
        raise Garbled("no_result", method=method, why="neither a result nor an error")
    try:
        return msgspec.json.decode(envelope.result, type=shape)
    except _UNREADABLE as error:
        raise Garbled("wrong_type", method=method, why=str(error)) from None
