"""One operation of the API: declared once, so that routing, checks and the OpenAPI document cannot disagree.

The way of every request is the same: who asks, may they, which key, what parameters; then one effect in one
transaction; then one answer.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from hmac import digest
from time import perf_counter
from typing import Any, Generic, Literal, TypeVar

import orjson
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bascule.domain import ids
from bascule.domain.errors import Forbidden, Rejected
from bascule.domain.member import PUBLISHABLE, allows
from bascule.entrypoints.api import cross_origin, decode, idempotency, noting, problems, reading, versions
from bascule.entrypoints.api.auth import Caller
from bascule.entrypoints.api.deps import ApiDeps
from bascule.entrypoints.api.effects import Download, Effect, Outside, Stream, Together
from bascule.entrypoints.api.gathering import Gathering
from bascule.entrypoints.api.idempotency import Asked, Given, Outcome
from bascule.entrypoints.api.params import Params
from bascule.storage import audit
from bascule.storage.database import Connection

P = TypeVar("P", bound=Params)
Key = Literal["none", "optional", "required"]


@dataclass(frozen=True, slots=True)
class Call(Generic[P]):
    """One authenticated request with validated parameters. version: of the API, which it is meant in."""

    deps: ApiDeps
    caller: Caller
    params: P
    path: Mapping[str, str]
    url_path: str
    request_id: str
    idempotency_key: str | None
    version: str

    @property
    def account_id(self) -> str:
        """The account that asks."""
        return self.caller.account_id

    @property
    def livemode(self) -> bool:
        """Whether real money is meant."""
        return self.caller.livemode

    @property
    def context(self) -> dict[str, Any]:
        """What an event says about the request that caused it."""
        return {"id": self.request_id, "idempotency_key": self.idempotency_key}

    def told(self, answer: Mapping[str, Any]) -> bytes:
        """The answer as its version shows it, as JSON."""
        return orjson.dumps(self.deps.versions.shown(answer, self.version))

    def id(self, prefix: str, name: str = "id") -> str:
        """The id in the path. Raises: NotFound when nothing can have it."""
        return ids.check(prefix, self.path[name], param=name)


Once = Callable[[Call[Any], bytes], Awaitable[Given]]
Find = Callable[[Request, reading.Admit], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path. scope: what a key must carry; key: whether an Idempotency-Key is taken.

    file: the body may be a CSV file, with the parameters beside it in the query; told_once: adds to an answer
    what no table keeps, the same at each replay.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    name: str
    summary: str
    scope: str
    effect: Effect | Together | Outside | Download | Stream
    params: type[Params]
    returns: Any
    key: Key = "none"
    conflicts: bool = False
    file: bool = False
    example: Mapping[str, Any] = field(default_factory=dict)
    told_once: Callable[[Call[Any], bytes], bytes] | None = None

    @property
    def tag(self) -> str:
        """The resource it belongs to."""
        _, first, second, *_ = self.path.split("/")
        return second if first == "v1" else first

    @property
    def told(self) -> str:
        """What it does, in one sentence."""
        match self.effect:
            case Together(act=does) | Outside(act=does) | Download(find=does) | Stream(follow=does):
                pass
            case does:
                pass
        assert does.__doc__ is not None, f"{self.name} says what it does"
        return does.__doc__

    @property
    def reads(self) -> bool:
        """Whether it is sent as one that changes nothing."""
        return self.method == "GET"

    @property
    def in_browsers(self) -> bool:
        """Whether a page of any origin may ask it: what a publishable key may, and nothing else."""
        return self.reads and self.scope in PUBLISHABLE

    @property
    def logged(self) -> bool:
        """Whether a request leaves a line in the account's log; who reads the log would else read of that."""
        return self.tag != "requests"

    @property
    def changes(self) -> bool:
        """Whether it changes anything, so that each success leaves a line of audit."""
        return not self.scope.endswith(":read")


def endpoint(operation: Operation, deps: ApiDeps) -> Callable[[Request], Awaitable[Response]]:
    """The operation as a Starlette endpoint; every error ends in the one table of problems."""
    once, find = _once_of(operation, deps), _find_of(operation, deps)

    async def handle(request: Request) -> Response:
        request_id: str = request.scope["bascule.request_id"]
        began, code = perf_counter(), None
        try:
            response = await _answer(operation, deps, once, find, request, request_id)
        except Exception as error:
            if isinstance(error, problems.Unauthenticated):
                error = _counted(error, deps, request)
            if isinstance(error, problems.TooManyRequests):
                request.scope["bascule.limits"] = error.fields
            response, code = problems.respond(error, request_id, deps.public_url), problems.code_of(error)
        if operation.in_browsers:
            response.headers.update(cross_origin.ANSWERED)
        noting.note(deps, operation, request, response, code, perf_counter() - began)
        return response

    return handle


def _counted(error: problems.Unauthenticated, deps: ApiDeps, request: Request) -> Exception:
    """The error that who cannot say who they are meets: once too often, that they are to wait."""
    address = "" if request.client is None else request.client.host
    try:
        request.scope["bascule.limits"] = deps.limiter.take_unknown(address, deps.clock.now().timestamp())
    except problems.TooManyRequests as too_many:
        return too_many
    return error


async def _answer(
    operation: Operation, deps: ApiDeps, once: Once, find: Find | None, request: Request, request_id: str
) -> Response:
    if find is not None:
        admit = partial(_admitted, operation, deps, request, request_id)  # no body is waited for
        return _json(await find(request, admit), {})
    async with deps.db.read() as conn:
        caller = await deps.keys.authenticate(conn, request, deps.clock.now())
        noting.known(request, caller)
    call = await _admitted(operation, deps, request, request_id, caller)
    if isinstance(operation.effect, Download):
        return await _sent(operation.effect, call)
    if isinstance(operation.effect, Stream):
        return await _followed(operation, operation.effect, call, request)
    if operation.reads:
        assert isinstance(operation.effect, Outside), "what reads our rows has been answered"
        return _json(call.told(await operation.effect.act(call)), {})
    return await _changed(operation, once, call, request)


def _find_of(operation: Operation, deps: ApiDeps) -> Find | None:
    """How what only reads our rows finds its answer; None for all else."""
    effect = operation.effect
    if not operation.reads or isinstance(effect, Outside | Download | Stream):
        return None
    return (
        reading.Readers(deps, effect.act).read
        if isinstance(effect, Together)
        else partial(reading.read, deps, effect)
    )


async def _admitted(
    operation: Operation, deps: ApiDeps, request: Request, request_id: str, caller: Caller
) -> Call[Any]:
    """The call, once the caller may make it so often and in this way. Raises: Rejected."""
    money_out = operation.key == "required"
    now = deps.clock.now().timestamp()
    may = allows(caller.scopes, operation.scope)  # who may not takes nothing from those who may
    request.scope["bascule.limits"] = deps.limiter.take(caller, now, money_out=money_out and may)
    caller.require(operation.scope)
    version = request.scope["bascule.version"] = versions.of(request, caller.pinned, deps.versions)
    key = None
    if operation.key != "none":
        key = idempotency.read_key(request, required=money_out)
    decode.refuse_nul(request.path_params)
    params = await _params(operation, request)
    return Call(deps, caller, params, request.path_params, request.scope["path"], request_id, key, version)


async def _changed(operation: Operation, once: Once, call: Call[Any], request: Request) -> Response:
    deps, key = call.deps, call.idempotency_key
    said = call.params.model_dump(mode="json", exclude_unset=True)
    secret = operation.told_once is not None
    print_ = idempotency.fingerprint(request, call.caller, said, of_key=secret)
    answer, made_in = await once(call, print_)
    if operation.told_once is not None:
        answer = operation.told_once(call, answer)
    deps.failpoints.hit("api.before_response")
    headers = {} if key is None else {"idempotency-key": key}
    response = _json(answer, headers | (noting.replayed(request, made_in) if made_in else {}))
    response.background = BackgroundTask(_answered, deps)
    return response


async def _answered(deps: ApiDeps) -> None:
    deps.failpoints.hit("api.after_response")


async def _sent(download: Download, call: Call[Any]) -> Response:
    async with call.deps.db.read() as conn:
        found = await download.find(call, conn)
    headers = {
        "content-length": str(found.size),
        "content-disposition": f'attachment; filename="{found.name}"',
        "repr-digest": f"sha-256=:{b64encode(found.sha256).decode()}:",  # RFC 9530
    }
    return StreamingResponse(found.pieces, 200, headers, found.media_type)


async def _followed(operation: Operation, stream: Stream, call: Call[Any], request: Request) -> Response:
    async def allowed() -> bool:
        try:
            async with call.deps.db.read() as conn:
                caller = await call.deps.keys.authenticate(conn, request, call.deps.clock.now())
            caller.require(operation.scope)
        except (problems.Unauthenticated, Forbidden):
            return False
        return True

    pieces = await stream.follow(call, request.headers.get("last-event-id"), allowed)
    return StreamingResponse(pieces, 200, {"x-accel-buffering": "no"}, "text/event-stream")


def _once_of(operation: Operation, deps: ApiDeps) -> Once:
    """How a call has its one effect and its answer."""
    effect = operation.effect
    if isinstance(effect, Together):
        gathering = Gathering(partial(_done_together, operation, effect, deps))

        async def gathered(call: Call[Any], print_: bytes) -> Given:
            asked = _asked(call, print_)
            idempotency.begin(deps, asked.scope)
            return await gathering.do(asked)

        return gathered
    return partial(_done_once, operation)


async def _done_together(
    operation: Operation, effect: Together, deps: ApiDeps, asked: Sequence[Asked[Call[Any]]]
) -> list[Outcome]:
    async def write(conn: Connection, new: Sequence[Asked[Call[Any]]]) -> list[bytes | Rejected]:
        made = await effect.act([each.what for each in new], conn)
        lines = [
            _line(operation, each.what, each.print_, answer)
            for each, answer in zip(new, made, strict=True)
            if not isinstance(answer, Rejected)
        ]
        await audit.append_many(conn, lines)
        return [
            answer if isinstance(answer, Rejected) else each.what.told(answer)
            for each, answer in zip(new, made, strict=True)
        ]

    try:
        return await idempotency.once_each(deps, asked, write)
    finally:
        idempotency.end(deps, [each.scope for each in asked])


def _asked(call: Call[Any], print_: bytes) -> Asked[Call[Any]]:
    return Asked(call.caller, call.idempotency_key, print_, call.version, call)


async def _done_once(operation: Operation, call: Call[Any], print_: bytes) -> Given:
    asked, effect = _asked(call, print_), operation.effect
    assert not isinstance(effect, Together | Download | Stream), "done together, or bytes that are read"
    if isinstance(effect, Outside):
        outside = effect

        async def act() -> bytes:
            answer = await outside.act(call)
            async with call.deps.db.transaction() as conn:
                await _note(conn, operation, call, print_, answer)
                call.deps.failpoints.hit("api.before_commit")
            call.deps.failpoints.hit("api.after_commit")
            return call.told(answer)

        return await idempotency.once_outside(call.deps, asked, act)
    inside = effect

    async def write(conn: Connection) -> bytes:
        answer = await inside(call, conn)
        await _note(conn, operation, call, print_, answer)
        return call.told(answer)

    return await idempotency.once(call.deps, asked, write)


async def _note(
    conn: Connection, operation: Operation, call: Call[Any], print_: bytes, answer: Mapping[str, Any]
) -> None:
    """Who asked for what, last in the effect's own transaction."""
    if operation.changes and not getattr(call.params, "dry_run", False):
        await audit.append_many(conn, [_line(operation, call, print_, answer)])


def _line(operation: Operation, call: Call[Any], print_: bytes, answer: Mapping[str, Any]) -> audit.Line:
    # the fingerprint stands for all that was said: who reads the audit alone finds no name by trying names
    object_id = answer.get("id") or call.path.get("id") or operation.name
    return audit.Line(
        actor=call.caller.key_id,
        action=f"api.{operation.name}",
        object_id=str(object_id),
        details={"account": call.account_id, "fingerprint": digest(call.deps.pepper, print_, "sha256").hex()},
        request_id=call.request_id,
    )


async def _params(operation: Operation, request: Request) -> Params:
    if operation.reads:
        return decode.asked(operation.params, request)
    if operation.file:
        value, form = await decode.read_file_or_body(request)
        return decode.validated(operation.params, value, form=form)
    decode.asked(Params, request)  # requests that write take no query string
    value, form = await decode.read_body(request)
    return decode.validated(operation.params, value, form=form)


def _json(content: bytes, headers: Mapping[str, str]) -> Response:
    return Response(content, 200, headers, "application/json")
