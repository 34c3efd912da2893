"""One effect per key: the lock, the effect and the stored answer share one database transaction.

Errors are not stored: nothing was written, so the same key may try again. A crash before the commit leaves
nothing, a crash after it leaves the answer, which the retry gets byte for byte.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import orjson
from starlette.requests import Request

from bascule.domain.errors import Rejected
from bascule.entrypoints.api.auth import Caller
from bascule.entrypoints.api.deps import ApiDeps
from bascule.entrypoints.api.problems import KeyInUse, KeyReused
from bascule.storage import idempotency
from bascule.storage.database import Connection
from bascule.storage.idempotency import Scope, StoredAnswer

_KEY = re.compile(r"[\x21-\x7e]{1,255}")
Effect = Callable[[Connection], Awaitable[bytes]]
Act = Callable[[], Awaitable[bytes]]
A = TypeVar("A")


@dataclass(frozen=True, slots=True, eq=False)
class Asked(Generic[A]):
    """A request, one of many. key: its Idempotency-Key; print_: what makes another the same; what: is asked.

    version: of the API, which its answer is in.
    """

    caller: Caller
    key: str | None
    print_: bytes
    version: str
    what: A

    @property
    def scope(self) -> Scope | None:
        """Whose key it is; None: no key came."""
        return None if self.key is None else Scope(self.caller.account_id, self.caller.livemode, self.key)


# for each, in order: the answer, or why it is refused; what is refused has written nothing
Effects = Callable[[Connection, Sequence[Asked[A]]], Awaitable[Sequence[bytes | Rejected]]]
Given = tuple[bytes, str | None]  # an answer; the version it was made in, if it was given before
Outcome = Given | Exception


class _SpoiledError(Exception):
    """One of many spoiled the transaction of all, before its commit."""


def read_key(request: Request, *, required: bool) -> str | None:
    """The Idempotency-Key, unquoted if it came as a quoted string. Raises: Rejected."""
    given = request.headers.get("idempotency-key")
    if given is None:
        if required:
            raise Rejected(
                "idempotency_key_missing",
                "Requests that may move money need the header Idempotency-Key.",
                next_step="Send a fresh UUID as Idempotency-Key, and the same one when you retry.",
            )
        return None
    key = given[1:-1] if len(given) > 2 and given[0] == given[-1] == '"' else given
    if not _KEY.fullmatch(key):
        raise Rejected("idempotency_key_invalid", "An Idempotency-Key has 1 to 255 visible ASCII characters.")
    return key


def fingerprint(request: Request, caller: Caller, params: Any, *, of_key: bool = False) -> bytes:
    """What makes two requests the same: method, path, decoded parameters and the acting account.

    of_key: the same key too, where the answer holds a secret that a lesser key may not be given.
    """
    parts = [
        request.method,
        request.scope["path"],
        caller.account_id,
        params,
        *([caller.key_id] if of_key else []),
    ]
    return hashlib.sha256(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS)).digest()


async def once(deps: ApiDeps, asked: Asked[A], effect: Effect) -> Given:
    """The answer, and whether it is a replay. Raises: KeyInUse, KeyReused, and what the effect raises."""

    async def alone(conn: Connection, _: Sequence[Asked[A]]) -> list[bytes | Rejected]:
        return [await effect(conn)]

    [outcome] = await once_each(deps, [asked], alone)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


async def once_each(deps: ApiDeps, asked: Sequence[Asked[A]], effects: Effects[A]) -> list[Outcome]:
    """As `once`, for many in one transaction: for each its answer and whether it is a replay, or its refusal.

    What spoils the transaction before its commit has left nothing, so then each is done alone: it meets its
    own error, and nobody else's. Raises: what happens at the commit, which nobody knows the end of.
    """
    try:
        return await _together(deps, asked, effects)
    except _SpoiledError:
        return list(await asyncio.gather(*(_alone(deps, each, effects) for each in asked)))


async def _alone(deps: ApiDeps, asked: Asked[A], effects: Effects[A]) -> Outcome:
    try:
        [outcome] = await _together(deps, [asked], effects)
    except Exception as error:
        return error
    return outcome


async def _together(deps: ApiDeps, asked: Sequence[Asked[A]], effects: Effects[A]) -> list[Outcome]:
    async with deps.db.transaction() as conn:
        try:
            known = await _taken(conn, asked)
            new = [each for each, outcome in zip(asked, known, strict=True) if outcome is None]
            made = await effects(conn, new) if new else []
            await _keep(conn, dict(zip(new, made, strict=True)), deps.clock.now())
            if new:
                deps.failpoints.hit("api.before_commit")
        except Exception as error:
            if len(asked) > 1:
                raise _SpoiledError from error
            raise
    if new:
        deps.failpoints.hit("api.after_commit")
    fresh = iter(made)
    return [_outcome(next(fresh)) if outcome is None else outcome for outcome in known]


async def _keep(conn: Connection, made: Mapping[Asked[A], bytes | Rejected], now: datetime) -> None:
    answers = {
        asked.scope: StoredAnswer(asked.print_, 200, answer, asked.version)
        for asked, answer in made.items()
        if asked.scope is not None and isinstance(answer, bytes)
    }
    if answers:
        await idempotency.keep(conn, answers, now)


async def _taken(conn: Connection, asked: Sequence[Asked[A]]) -> list[Outcome | None]:
    """Holds the keys; what is known of each already: its stored answer, or why it may not be worked on."""
    scopes = list(dict.fromkeys(each.scope for each in asked if each.scope is not None))
    if not scopes:
        return [None] * len(asked)
    free = await idempotency.try_lock(conn, scopes)
    stored = await idempotency.find(conn, [scope for scope in scopes if scope in free])
    outcomes: list[Outcome | None] = []
    for each in asked:
        if each.scope is None:
            outcomes.append(None)
        elif each.scope in stored:
            outcomes.append(_replay(stored[each.scope], each.print_))
        else:
            outcomes.append(None if each.scope in free else _in_use())
            free.discard(each.scope)  # whoever has the same key and comes behind waits for this one
    return outcomes


def _outcome(made: bytes | Rejected) -> Outcome:
    return (made, None) if isinstance(made, bytes) else made


async def once_outside(deps: ApiDeps, asked: Asked[A], act: Act) -> Given:
    """As `once`, for what acts on a node: no transaction is open while it does.

    The answer is kept after the act, and what is in flight is known to this process alone. After a crash in
    between a retry acts again, so nothing that may never happen twice is done this way.
    """
    scope = asked.scope
    if scope is None:
        return await act(), None
    begin(deps, scope)
    try:
        async with deps.db.read() as conn:
            stored = (await idempotency.find(conn, [scope])).get(scope)
        if stored is not None:
            replay = _replay(stored, asked.print_)
            if isinstance(replay, Exception):
                raise replay
            return replay
        answer = await act()

        async def kept(conn: Connection) -> bytes:
            return answer

        return await once(deps, asked, kept)
    finally:
        end(deps, [scope])


def begin(deps: ApiDeps, scope: Scope | None) -> None:
    """Says that a key is worked on in this process, also where no transaction holds it; until `end`.

    Raises: KeyInUse at once, instead of waiting behind the request that has it.
    """
    if scope is None:
        return
    if scope in deps.in_flight:
        raise _in_use()
    deps.in_flight.add(scope)


def end(deps: ApiDeps, scopes: Iterable[Scope | None]) -> None:
    """Says that nobody works on these keys any more."""
    deps.in_flight.difference_update(scope for scope in scopes if scope is not None)


def _in_use() -> KeyInUse:
    return KeyInUse("idempotency_key_in_use", "A request with this Idempotency-Key is being worked on.")


def _replay(stored: StoredAnswer, print_: bytes) -> Outcome:
    if stored.fingerprint == print_:
        return stored.body, stored.version
    return KeyReused(
        "idempotency_key_reused",
        "This Idempotency-Key was used for another request.",
        next_step="Use a fresh key for a different request.",
    )
